"""Bookmarks of one domain or several."""

from __future__ import annotations

import pytest
from tap_common.bookmarks import Bookmarks


def test_one_domain_has_a_plain_entry():
    state: dict = {}

    Bookmarks(state, ["a"]).write("cases", "a", {"x": 1})

    assert state == {"bookmarks": {"cases": {"x": 1, "domain": "a"}}}
    assert Bookmarks(state, ["a"]).read("cases", "a") == {"x": 1}


def test_several_domains_have_partitions():
    state: dict = {}
    bookmarks = Bookmarks(state, ["a", "b"])

    bookmarks.write("cases", "a", {"x": 1})
    bookmarks.write("cases", "b", {"x": 2})
    bookmarks.write("cases", "a", {"x": 3})

    assert [bookmarks.read("cases", domain) for domain in "ab"] == [{"x": 3}, {"x": 2}]


def test_a_state_of_another_domain_is_not_applied():
    state = {"bookmarks": {"cases": {"x": 1, "domain": "a"}}}

    assert Bookmarks(state, ["b"]).read("cases", "b") == {}


def test_a_state_that_names_no_domain_is_taken_for_the_only_one():
    state = {"bookmarks": {"cases": {"replication_key_value": "2024"}}}

    assert Bookmarks(state, ["a"]).read("cases", "a") == {"replication_key_value": "2024"}
    assert Bookmarks(state, ["a", "b"]).read("cases", "a") == {}


def test_a_domain_keeps_its_entry_when_others_join_it_or_leave():
    state = {"bookmarks": {"cases": {"x": 1, "domain": "a"}}}
    both = Bookmarks(state, ["a", "b"])
    both.write("cases", "b", {"x": 2})

    assert both.read("cases", "a") == {"x": 1}
    assert Bookmarks(state, ["b"]).read("cases", "b") == {"x": 2}


def test_what_was_read_can_be_changed_without_changing_the_state():
    state = {"bookmarks": {"cases": {"x": {"y": 1}, "domain": "a"}}}

    Bookmarks(state, ["a"]).read("cases", "a")["x"]["y"] = 2

    assert state["bookmarks"]["cases"]["x"] == {"y": 1}


@pytest.mark.parametrize("partitions", [5, "a", [4], [{"context": 7}], {"context": {}}])
def test_partitions_of_another_shape_are_ignored(partitions):
    bookmarks = Bookmarks({"bookmarks": {"cases": {"partitions": partitions}}}, ["a", "b"])

    assert bookmarks.read("cases", "a") == {}
    bookmarks.write("cases", "a", {"x": 1})
    assert bookmarks.read("cases", "a") == {"x": 1}
