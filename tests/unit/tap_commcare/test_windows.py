"""Cutting time into windows: nothing is left out, nothing twice, and widths follow the data."""

from __future__ import annotations

import bisect
import itertools

from hypothesis import given
from hypothesis import strategies as st
from tap_commcare.windows import Cutter, Window


def count(stamps: list[int], window: Window) -> int:
    first = bisect.bisect_right(stamps, window.after)
    last = len(stamps) if window.until is None else bisect.bisect_right(stamps, window.until)
    return last - first


def cut(stamps: list[int], page_size: int, *, is_open: bool) -> list[Window]:
    page = stamps[:page_size]
    rows = len(stamps) - len(page)
    cutter = Cutter(page, stamps[-1], rows, page_size, is_open=is_open)
    windows = []
    for window in cutter:
        windows.append(window)
        cutter.learn(window, count(stamps, window))
    return windows


@given(
    st.lists(st.integers(min_value=0, max_value=10**9), min_size=20, max_size=300),
    st.integers(min_value=2, max_value=15),
    st.booleans(),
)
def test_windows_follow_each_other_to_the_end(stamps, page_size, is_open):
    ordered = sorted(stamps)

    windows = cut(ordered, page_size, is_open=is_open)

    assert windows[0].after == ordered[page_size - 1] - 1
    for one, other in itertools.pairwise(windows):
        assert one.until == other.after
    assert windows[-1].until == (None if is_open else max(ordered[-1], ordered[page_size - 1] - 1))


def test_even_data_takes_hardly_more_windows_than_pages():
    stamps = list(range(0, 10_000_000, 1000))

    assert len(cut(stamps, 500, is_open=True)) <= 22


def test_a_long_gap_is_crossed_in_a_few_steps():
    stamps = list(range(1000)) + list(range(10**9, 10**9 + 1000))

    assert len(cut(stamps, 100, is_open=True)) < 60


def test_what_is_left_after_all_rows_were_found_is_one_window():
    stamps = [*range(0, 100_000, 100), 10**12]
    page, rows = stamps[:100], 900
    cutter = Cutter(page, 10**12, rows, 100, is_open=True)

    windows = []
    for window in cutter:
        windows.append(window)
        cutter.learn(window, count(stamps[:-1], window))

    assert windows[-1].is_open
    assert len(windows) < 14
