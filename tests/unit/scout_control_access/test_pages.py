"""Pages of lists: bounded, complete, and continued only by cursors that a page had."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.access import pages
from scout_control.access.pages import LIMIT, MOST, cut, position_cursor, uuid_cursor
from scout_control.errors import SettingsError

NAMES = st.lists(st.text(max_size=5), unique=True, max_size=30)


def read(items, limit):
    """Return all items of a list, page by page, and how many pages it had."""
    found, after, count = [], None, 0
    while count == 0 or after is not None:
        page = cut(items, str, after, limit)
        found, after, count = found + page.items, page.next, count + 1
    return found, count


@given(NAMES, st.integers(1, 10))
def test_pages_have_every_item_once_and_in_order(items, limit):
    found, count = read(items, limit)

    assert found == sorted(items)
    assert count == max(1, -(-len(items) // limit))


@given(NAMES, st.text(max_size=5))
def test_a_made_up_cursor_hides_and_adds_nothing(items, after):
    found = cut(items, str, after, MOST)

    assert found.items == sorted(each for each in items if each > after)
    assert found.next is None


@pytest.mark.parametrize("limit", [0, -1, MOST + 1, 10**9])
def test_a_limit_beyond_the_bounds_is_refused(limit):
    with pytest.raises(SettingsError, match="limit"):
        cut(["a"], str, None, limit)


@pytest.mark.parametrize("limit", [1, LIMIT, MOST])
def test_a_limit_within_the_bounds_is_accepted(limit):
    assert cut(["a"], str, None, limit).items == ["a"]


@pytest.mark.parametrize("after", ["", "-1", "a", "1.5", "²", "9" * 19, "1 ", "0x1"])
def test_a_position_that_no_page_had_is_refused(after):
    with pytest.raises(SettingsError, match="cursor"):
        position_cursor(after)


def test_a_first_page_begins_after_every_position():
    assert position_cursor(None) == pages.LAST_POSITION
    assert position_cursor("17") == 17
    assert position_cursor("9" * 18) < pages.LAST_POSITION


@pytest.mark.parametrize("after", ["", "x", "1", "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"])
def test_an_id_that_no_page_had_is_refused(after):
    with pytest.raises(SettingsError, match="cursor"):
        uuid_cursor(after)
    identity = uuid.uuid4()
    assert (uuid_cursor(str(identity)), uuid_cursor(None)) == (identity, None)


@pytest.mark.parametrize(
    ("text", "is_fine"), [("é", True), ("", True), ("\0", False), ("\ud800", False)]
)
def test_what_postgres_can_store_is_known(text, is_fine):
    assert pages.is_storable(text) == is_fine
