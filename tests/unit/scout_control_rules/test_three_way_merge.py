"""What one side changed is taken; where both did, the owner's lines stay and the rest is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.rules.three_way_merge import merge

BASE = "a\nb\nc\nd\n"
TEXTS = st.lists(st.sampled_from("abcd"), max_size=8).map(
    lambda lines: "".join(f"{x}\n" for x in lines)
)


@pytest.mark.parametrize(
    ("own", "new", "merged"),
    [
        (BASE, "a\nB\nc\nd\n", "a\nB\nc\nd\n"),
        ("a\nb\nc\nd\nmine\n", "new\na\nb\nc\nd\n", "new\na\nb\nc\nd\nmine\n"),
        ("a\nc\nd\n", "a\nb\nc\nD\n", "a\nc\nD\n"),  # a removed line stays removed
        ("a\nX\nc\nd\n", "a\nX\nc\nd\n", "a\nX\nc\nd\n"),  # both made the same change
        ("", "", ""),
        ("mine\n", BASE, "mine\n"),
    ],
)
def test_changes_of_different_lines_are_merged(own, new, merged):
    result = merge(BASE, own, new)

    assert result.text == merged
    assert result.conflicts == ()


def test_where_both_changed_the_same_lines_the_owners_stay_and_the_others_are_named():
    result = merge(BASE, "a\nmine\nc\nd\n", "a\ntheirs\nc\nD\n")

    assert result.text == "a\nmine\nc\nD\n"
    assert result.conflicts == ("theirs\n",)


def test_text_without_a_line_end_is_kept_as_it_is():
    assert merge("a\nb", "a\nb", "A\nb").text == "A\nb"
    assert merge("a\r\nb\r\n", "a\r\nb\r\nc\r\n", "A\r\nb\r\n").text == "A\r\nb\r\nc\r\n"


@given(base=TEXTS, own=TEXTS, new=TEXTS)
def test_a_side_without_changes_takes_those_of_the_other(base, own, new):
    assert merge(base, own, base).text == own
    assert merge(base, base, new).text == new
    assert merge(base, new, new).text == new


@given(base=TEXTS, own=TEXTS, new=TEXTS)
def test_no_line_of_the_owner_that_is_not_in_the_former_version_is_lost(base, own, new):
    mine = [line for line in own.splitlines() if line not in base.splitlines()]
    merged = merge(base, own, new).text.splitlines()

    assert [line for line in merged if line in mine and line not in new.splitlines()] == [
        line for line in mine if line not in new.splitlines()
    ]
