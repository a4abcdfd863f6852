"""The queue of a read: what a page says about the next one, and what windows may cost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tap_commcare.incremental.request_queue import (
    PageRequest,
    RequestBudget,
    WindowSplit,
    drop_seen,
    row_keys,
)
from tap_commcare.incremental.window_splitter import WindowSizes, WindowSplitter
from tap_commcare.pagination.pages import TimedPage, Window
from tap_common.errors import UnexpectedResponseError

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SIZES = WindowSizes(page_size=10, in_flight=4, max_pages=4)


def page(*times: int, total: int | None = None, token: dict | None = None) -> TimedPage:
    ids = [f"r{time}" for time in times]
    return TimedPage(ids, ids, times, total, token, NOW)


def split(until: int | None) -> PageRequest:
    splitter = WindowSplitter(0, until, 100, SIZES)
    return PageRequest(Window(0, until), splitter=splitter)


def test_a_full_page_is_the_last_one_if_the_window_has_no_more_rows():
    full = page(1, 2, total=2, token={"next": "x"})

    assert split(10).without_empty_next(full).next_page_token is None
    assert PageRequest(Window(0, None)).without_empty_next(full).next_page_token == {"next": "x"}


def test_the_count_of_the_first_page_shows_which_page_is_the_last():
    first = PageRequest(Window(0, 10), rows_left=3)
    second = first.next_page(page(1, 2, token={"next": "x"}))

    assert second.rows_left == 1
    assert second.without_empty_next(page(3, token={"next": "y"})).next_page_token is None


@pytest.mark.parametrize(("times", "respects"), [((1, 10), True), ((1, 11), False), ((), True)])
def test_a_row_after_the_end_shows_that_the_server_ignores_ends(times, respects):
    assert split(10).respects_end(page(*times)) == respects
    assert PageRequest(Window(0, 10)).respects_end(page(*times))


def test_the_same_token_twice_is_a_cycle():
    request = PageRequest(Window(0, None))
    second = request.next_page(page(1, token={"next": "x"}))

    with pytest.raises(UnexpectedResponseError, match="cycle"):
        second.next_page(page(2, token={"next": "x"}))


def test_rows_of_the_page_before_are_dropped_unless_they_have_changed():
    seen = row_keys(page(1, 2))

    assert drop_seen(page(2, 3), seen).ids == ["r3"]
    assert drop_seen(page(2, 3), frozenset()).ids == ["r2", "r3"]


def test_behind_the_last_window_the_rest_is_read_without_an_end():
    seen = row_keys(page(1))
    rest = WindowSplit(WindowSplitter(0, None, 5, SIZES), seen)

    assert rest.next_request(may_split=True) == (PageRequest(Window(0, None), seen=seen), False)


def test_the_first_window_begins_among_rows_that_were_seen():
    seen = row_keys(page(1))
    split_ = WindowSplit(WindowSplitter(0, 1000, 200, SIZES), seen)
    first, has_more = split_.next_request(may_split=True)
    second, _ = split_.next_request(may_split=True)

    assert has_more
    assert (first.seen, second.seen) == (seen, frozenset())
    assert first.window.until == second.window.after


@pytest.mark.parametrize(("rows", "allowed"), [(390, 0), (400, 1), (4000, 19)])
def test_the_budget_is_five_percent_of_the_pages_less_one(rows, allowed):
    budget = RequestBudget()
    budget.begin(rows, 10)
    budget.begin(10 * rows, 10)

    assert budget.allowed == allowed


def test_the_budget_reserves_something_for_windows_in_flight():
    budget = RequestBudget()
    budget.begin(400, 10)

    assert budget.allows(0)
    assert not budget.allows(3)
    budget.spend(0.9)
    assert not budget.allows(0)
