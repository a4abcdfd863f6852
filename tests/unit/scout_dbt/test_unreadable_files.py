"""Which files of users are left out when dbt cannot read all of them."""

from __future__ import annotations

import pytest
from scout_dbt.runner.dbt_runner import _bisect, _blamed

FILES = {"mine.sql", "notes.yml", "river/theirs.sql", "river/deep/more.sql"}


@pytest.mark.parametrize(
    ("message", "culprits"),
    [
        ("Error in models/custom/notes.yml", {"notes.yml"}),
        ("Found a cycle: model.scout.mine --> model.scout.more", {"river/deep/more.sql"}),
        (
            "two models: models/custom/mine.sql, models/custom/river/theirs.sql",
            {"river/theirs.sql"},
        ),
        ("models/custom/river/deep/more.sql_x is no file", None),
        ("maximum recursion depth exceeded", None),
    ],
)
def test_files_that_dbt_names_are_left_out_those_of_a_project_before_the_operators(
    message, culprits
):
    assert _blamed(ValueError(message), FILES) == culprits


def test_without_an_error_or_files_nothing_is_left_out():
    assert _blamed(None, FILES) == set()
    assert _blamed(ValueError("anything"), set()) == set()


@pytest.mark.parametrize("bad", [{"a"}, {"h"}, {"c", "f"}, {"a", "b", "c"}, set("abcdefgh")])
def test_files_that_dbt_does_not_name_are_found_by_bisection(bad):
    assert _bisect(set("abcdefgh"), lambda some: bool(some & bad)) == bad


def test_no_file_is_left_out_when_the_project_itself_is_broken():
    assert _bisect(set("abc"), lambda _: True) == set()


def test_all_files_are_left_out_when_only_two_together_fail():
    assert _bisect(set("abcd"), lambda some: {"a", "d"} <= some) == set("abcd")
