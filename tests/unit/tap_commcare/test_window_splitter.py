"""Splitting time into windows: no gap, no overlap, and widths that follow the data."""

from __future__ import annotations

import bisect
import itertools

from hypothesis import example, given
from hypothesis import strategies as st
from tap_commcare.incremental.window_splitter import WindowSizes, WindowSplitter, row_spacing
from tap_commcare.pagination.pages import Window


def count(times: list[int], window: Window) -> int:
    first = bisect.bisect_right(times, window.after)
    last = len(times) if window.until is None else bisect.bisect_right(times, window.until)
    return last - first


def splitter_after(page: list[int], end: int, rows: int) -> WindowSplitter:
    sizes = WindowSizes(page_size=len(page), in_flight=4, max_pages=1)
    return WindowSplitter(page[-1] - 1, end, rows, sizes, row_spacing(page))


def split(times: list[int], page_size: int) -> list[Window]:
    page = times[:page_size]
    splitter = splitter_after(page, times[-1], len(times) - len(page))
    return walk(splitter, times)


def walk(splitter: WindowSplitter, times: list[int]) -> list[Window]:
    windows = []
    while window := splitter.next_window(may_split=True):
        windows.append(window)
        splitter.learn(window, count(times, window))
        splitter.settle(count(times, window))
    return windows


@given(
    st.lists(st.integers(min_value=0, max_value=10**9), min_size=20, max_size=300),
    st.integers(min_value=2, max_value=15),
)
@example(times=[0] * 19 + [1], page_size=2)
def test_windows_follow_each_other_to_the_end(times, page_size):
    ordered = sorted(times)

    windows = split(ordered, page_size)

    assert windows[0].after == ordered[page_size - 1] - 1
    for one, other in itertools.pairwise(windows):
        assert one.until == other.after
    assert windows[-1].until == max(ordered[-1], ordered[page_size - 1] - 1)


def test_even_data_takes_hardly_more_windows_than_pages():
    times = list(range(0, 10_000_000, 1000))

    assert len(split(times, 500)) <= 22


def test_windows_grow_with_what_is_left_and_with_what_may_be_held():
    sizes = WindowSizes(page_size=100, in_flight=4, max_pages=8)

    assert sizes.capacity(100_000) == 800
    assert sizes.capacity(2_000) == 500
    assert sizes.capacity(10) == 200
    assert 750 < sizes.target(100_000) < 800


def test_a_long_gap_is_crossed_in_a_few_steps():
    times = list(range(1000)) + list(range(10**9, 10**9 + 1000))

    assert len(split(times, 100)) < 60


def test_what_is_left_after_all_rows_were_found_is_one_window():
    times = [*range(0, 100_000, 100), 10**12]
    page, rows = times[:100], 900
    splitter = splitter_after(page, 10**12, rows)

    windows = walk(splitter, times[:-1])

    assert windows[-1].until == 10**12
    assert len(windows) < 14


def test_without_an_end_the_last_pages_are_left_and_rows_are_known_to_lie_behind():
    times = list(range(0, 10_000_000, 1000))
    page, sizes = times[:500], WindowSizes(page_size=500, in_flight=4, max_pages=1)
    splitter = WindowSplitter(
        page[-1] - 1, None, len(times) - 499, sizes, row_spacing(page), now=20_000_000
    )

    windows = walk(splitter, times)

    assert 17 <= len(windows) <= 19
    assert 500 <= splitter.rows_behind <= 1000
    assert splitter.rows_behind == count(times, Window(windows[-1].until, None))


def test_no_window_begins_where_none_was_found_or_beyond_the_servers_clock():
    sizes = WindowSizes(page_size=100, in_flight=4, max_pages=1)
    lost = WindowSplitter(0, None, 5000, sizes, 10.0, now=10**9)
    late = WindowSplitter(0, None, 5000, sizes, 10.0, now=500)
    first = lost.next_window(may_split=True)
    assert first is not None
    lost.learn(first, 0)

    assert lost.next_window(may_split=True) is None
    assert late.next_window(may_split=True) == Window(0, 500)
    assert late.next_window(may_split=True) is None
    assert WindowSplitter(0, 900, 5000, sizes).next_window(may_split=False) == Window(0, 900)
