"""Cutting time into windows: nothing is left out, nothing twice, and widths follow the data."""

from __future__ import annotations

import bisect
import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tap_commcare.windows import Cutter, Sizes, Window, gap_of, guesses


def count(stamps: list[int], window: Window) -> int:
    first = bisect.bisect_right(stamps, window.after)
    last = len(stamps) if window.until is None else bisect.bisect_right(stamps, window.until)
    return last - first


def cutter_after(page: list[int], end: int, rows: int) -> Cutter:
    sizes = Sizes(page_size=len(page), width=4, most_pages=1)
    return Cutter(page[-1] - 1, end, rows, 0, sizes, gap_of(page))


def cut(stamps: list[int], page_size: int) -> list[Window]:
    page = stamps[:page_size]
    cutter = cutter_after(page, stamps[-1], len(stamps) - len(page))
    windows = []
    for window in cutter:
        windows.append(window)
        cutter.learn(window, count(stamps, window))
    return windows


@given(
    st.lists(st.integers(min_value=0, max_value=10**9), min_size=20, max_size=300),
    st.integers(min_value=2, max_value=15),
)
@example(stamps=[0] * 19 + [1], page_size=2)
def test_windows_follow_each_other_to_the_end(stamps, page_size):
    ordered = sorted(stamps)

    windows = cut(ordered, page_size)

    assert windows[0].after == ordered[page_size - 1] - 1
    for one, other in itertools.pairwise(windows):
        assert one.until == other.after
    assert windows[-1].until == max(ordered[-1], ordered[page_size - 1] - 1)


def test_even_data_takes_hardly_more_windows_than_pages():
    stamps = list(range(0, 10_000_000, 1000))

    assert len(cut(stamps, 500)) <= 22


def test_windows_grow_with_what_is_left_and_with_what_may_be_held():
    sizes = Sizes(page_size=100, width=4, most_pages=8)

    assert sizes.full(100_000) == 800
    assert sizes.full(2_000) == 500
    assert sizes.full(10) == 200
    assert 750 < sizes.target(100_000) < 800


def test_a_long_gap_is_crossed_in_a_few_steps():
    stamps = list(range(1000)) + list(range(10**9, 10**9 + 1000))

    assert len(cut(stamps, 100)) < 60


def test_what_is_left_after_all_rows_were_found_is_one_window():
    stamps = [*range(0, 100_000, 100), 10**12]
    page, rows = stamps[:100], 900
    cutter = cutter_after(page, 10**12, rows)

    windows = []
    for window in cutter:
        windows.append(window)
        cutter.learn(window, count(stamps[:-1], window))

    assert windows[-1].until == 10**12
    assert len(windows) < 14


@pytest.mark.parametrize("gap", [0.1, 1, 30])
def test_one_guess_lies_in_the_last_page(gap):
    stamps = [round(1000 * gap * place) for place in range(10_000)]
    end = 30 * 1000 * 10_000

    found = [place for place in guesses(stamps[:100], end, 9_900, 100, 4) if place < stamps[-1]]

    assert stamps[-110] <= found[-1]


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=20),
    st.integers(1, 10**9),
    st.integers(1, 10**6),
    st.integers(1, 5000),
    st.integers(3, 16),
)
def test_guesses_lie_after_the_page_and_before_the_end(stamps, ahead, rows, page_size, count):
    ordered = sorted(stamps)
    end = ordered[-1] + ahead

    found = guesses(ordered, end, rows, page_size, count)

    assert len(found) <= count
    assert all(ordered[-1] < place < end for place in found)
