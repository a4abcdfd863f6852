"""How a range of time is cut into windows that hold a few pages each. Pure.

A stamp is a whole number of milliseconds since 1970. Where rows lie in time is only known from the
pages read so far, so widths follow what was found: a window that came back nearly empty makes the
next ones wider, a full one makes them narrower.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_GROWTH = 8.0
FEWEST_PAGES = 2
# The height of the normal curve: where it is as low as what a deviation costs, more room is wasted.
PEAK = 0.4
# Where guesses differ less than this, they are spread evenly instead.
LEAST_SPREAD = 2.0
CAREFUL = 0.75


@dataclass(frozen=True)
class Window:
    """Rows stamped after ``after`` and not later than ``until``; None leaves that side open."""

    after: int | None
    until: int | None

    @property
    def is_open(self) -> bool:
        """Tell whether rows that are indexed from now on still fall into it."""
        return self.until is None


@dataclass(frozen=True)
class Sizes:
    """How much is asked for at once.

    Args:
        page_size: Rows of a page.
        width: Requests under way at the same time.
        most_pages: Pages that a window may have.
    """

    page_size: int
    width: int
    most_pages: int

    def full(self, rows: float) -> int:
        """Return the rows of the pages that a window should have, when so many are left.

        Each window wastes a part of its last page, so there should be few of them; but towards
        the end each request needs one.
        """
        pages = max(round(rows / self.page_size / self.width), FEWEST_PAGES)
        return min(pages, self.most_pages) * self.page_size

    def target(self, rows: float) -> float:
        """Return how many rows a window should hold, when so many are left.

        What comes by chance varies by the root of its number. A row too much costs a request, room
        for it costs a part of one: some deviations are kept free.
        """
        full = self.full(rows)
        deviation = math.sqrt(full)
        share = deviation / self.page_size
        deviations = math.sqrt(2 * math.log(PEAK / share)) if share < PEAK else 0.0
        return max(full - deviations * deviation, full / 2, 1.0)


class Cutter:
    """Cuts a range of time into windows, one at a time.

    Args:
        after: The range begins behind this stamp.
        end: Where it ends.
        rows: How many rows it holds, as the server says.
        rows_later: How many rows come after it.
        gap: The time between two rows at its beginning, if known.
    """

    def __init__(
        self, after: int, end: int, rows: int, rows_later: int, sizes: Sizes, gap: float = 0.0
    ) -> None:
        self._at = after
        self._end = end
        self._sizes = sizes
        self._rows_left = float(rows)
        self._rows_later = rows_later
        self._on_their_way: dict[Window, float] = {}
        self._latest = after
        everywhere = (end - after) / max(rows, 1)
        self._gap = min(gap or everywhere, everywhere)

    def __iter__(self) -> Iterator[Window]:
        """Yield windows until the end; what should be the last takes all that is left."""
        while self._at < self._end:
            left = self._rows_left - sum(self._on_their_way.values())
            target = self._sizes.target(left + self._rows_later)
            until = self._at + max(round(self._gap * target), 1)
            is_last = left <= self._sizes.full(left + self._rows_later) + self._sizes.page_size / 2
            until = self._end if is_last else min(until, self._end)
            window = Window(self._at, until)
            self._on_their_way[window] = target
            yield window
            self._at = until

    def learn(self, window: Window, rows: int) -> None:
        """Note how many rows a window turned out to hold."""
        target = self._on_their_way.pop(window, 0.0)
        self._rows_left -= rows
        if window.after is None or window.until is None or window.until <= self._latest:
            return
        self._latest = window.until
        growth = MOST_GROWTH if rows == 0 else min(target / rows, MOST_GROWTH)
        self._gap = (window.until - window.after) * growth / max(target, 1.0)


def guesses(stamps: Sequence[int], end: int, rows: int, page_size: int, count: int) -> list[int]:
    """Return stamps of which one may lie less than a page before the last row.

    Rows may come as densely as they did at the end of a page, or spread until ``end``: guesses
    lie between these two, closer together where they are closer to the page.

    Args:
        stamps: Those of the page, in order.
        end: After which no row is expected.
        rows: How many rows come after the page.
        page_size: How many rows fit into one page.
        count: How many guesses are wanted.
    """
    first = stamps[-1]
    share = max(rows - page_size / 2, 1.0) / max(rows, 1)
    far = (end - first) * share
    near = min(max(gap_of(stamps) * rows * share, 1.0), far)
    if near <= 0:
        return []
    if far / near < LEAST_SPREAD:
        places = [near * step / (count - 1) for step in range(1, count - 1)] + [near, far]
    else:
        # One guess is careful: rows after it are worth more than a place that comes close.
        steps = max(count - 2, 1)
        ratio = far / near
        places = [CAREFUL * near, *(near * ratio ** (step / steps) for step in range(steps + 1))]
    return sorted({first + round(place) for place in places if 0 < round(place) < end - first})


def gap_of(stamps: Sequence[int]) -> float:
    """Return the time between two rows at the end of a page."""
    middle = len(stamps) // 2
    return (stamps[-1] - stamps[middle]) / max(len(stamps) - 1 - middle, 1)
