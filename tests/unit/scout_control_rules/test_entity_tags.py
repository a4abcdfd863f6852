"""Entity tags: strong for changes, weak for what the caller has already."""

from __future__ import annotations

import time

import pytest
from scout_control.rules.entity_tags import entity_tag, fits, is_known

TAG = entity_tag({"a": 1})


def test_a_tag_follows_from_the_values_and_not_from_their_order():
    assert entity_tag({"a": 1, "b": 2}) == entity_tag({"b": 2, "a": 1})
    assert entity_tag({"a": 1}) != entity_tag({"a": 2})
    assert TAG.startswith('"')
    assert TAG.endswith('"')


@pytest.mark.parametrize(
    "condition", [TAG, "*", " * ", f'"other", {TAG}', f'W/"other",{TAG}', f" , ,{TAG} ,"]
)
def test_a_condition_that_names_it_fits(condition):
    assert fits(condition, TAG)
    assert is_known(condition, TAG)


@pytest.mark.parametrize(
    "condition",
    [
        "",
        '"',
        '"other"',
        TAG.strip('"'),
        TAG[:-2] + '"',
        "**",
        f"{TAG}x",
        f"x{TAG}",
        f"{TAG} {TAG}",
        f"{TAG};a=1",
    ],
)
def test_any_other_condition_does_not(condition):
    assert not fits(condition, TAG)
    assert not is_known(condition, TAG)


def test_a_weak_tag_never_allows_a_change_and_does_name_what_is_known():
    assert not fits(f"W/{TAG}", TAG)
    assert is_known(f"W/{TAG}", TAG)


@pytest.mark.parametrize(
    "condition", [" " * 60_000, "," * 60_000, '"a" ' * 15_000, " ," * 30_000 + "x", '"' * 60_000]
)
def test_a_long_condition_is_read_in_the_time_that_its_length_needs(condition):
    began = time.process_time()

    assert not fits(condition, TAG)
    assert time.process_time() - began < 1  # it takes milliseconds, or else minutes
