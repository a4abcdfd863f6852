"""How a range of time is cut into windows that hold a few pages each. Pure.

A stamp is a whole number of milliseconds since 1970. Where rows lie in time is only known from the
pages read so far, so widths follow what was found: a window that came back nearly empty makes the
next ones wider, a full one makes them narrower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_GROWTH = 8.0
FEWEST_PAGES = 2
# The height of the normal curve: where it is as low as what a deviation costs, more room is wasted.
PEAK = 0.4
# How many deviations from what was expected are more than chance, and what earlier windows weigh.
SURPRISE = 4.0
MEMORY = 0.75
LEARNED_FROM = 4
DEVIATION_OF_MEAN = 1.25  # of what comes by chance: the deviation as a multiple of the mean one


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
class WindowSizes:
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

    def target(self, rows: float, noise: float = 1.0) -> float:
        """Return how many rows a window should hold, when so many are left.

        What comes by chance varies by the root of its number, other rows by a part or a multiple of
        it: ``noise``. A row too much costs a request, room for it costs a part of one: some
        deviations are kept free.
        """
        full = self.full(rows)
        deviation = max(noise * math.sqrt(full), 1.0)
        share = deviation / self.page_size
        deviations = math.sqrt(2 * math.log(PEAK / share)) if share < PEAK else 0.0
        return max(full - deviations * deviation, full / 2, 1.0)


class WindowSplitter:
    """Cuts what lies behind a stamp into windows, one at a time.

    Args:
        after: The range begins behind this stamp.
        end: Where it ends; None if that is not known. Then the last rows are left, and found by a
            request without an end.
        rows: How many rows it holds, as the server says.
        gap: The time between two rows at its beginning, if known.
        outer: What cut the window that this range is the rest of.
        now: A stamp that hardly a row lies behind, whether or not there is an end.
    """

    def __init__(
        self,
        after: int,
        end: int | None,
        rows: int,
        sizes: WindowSizes,
        gap: float = 0.0,
        outer: WindowSplitter | None = None,
        now: int | None = None,
    ) -> None:
        self.at = after
        self.end = end
        self._sizes = sizes
        self._rows_left = float(rows)
        self._rows_behind = rows
        self._on_their_way: dict[Window, float] = {}
        self._latest = after
        everywhere = gap if end is None else (end - after) / max(rows, 1)
        self._gap = min(gap or everywhere, everywhere)
        self._known_rows = float(sizes.page_size)
        self._known_time = self._gap * sizes.page_size
        self._outer = outer
        self._now = end if now is None else now
        self._is_lost = False
        self._noise = 1.0

    def next_window(self, *, may_cut: bool) -> Window | None:
        """Return the next window, or None when what is left is not to be cut.

        With an end, the last window takes all that is left.
        """
        left = self._rows_left - sum(self._on_their_way.values())
        if self.end is None:
            spare = left - self._sizes.page_size
            if not may_cut or self._is_lost or spare < self._sizes.page_size:
                return None
            if self._now is not None and self.at >= self._now:
                return None
            rows = min(left, spare * self._sizes.width)
            return self._window(self._sizes.target(rows, self._noise))
        if self.at >= self.end:
            return None
        is_last = left <= self._sizes.full(left) + self._sizes.page_size / 2
        return self._window(
            left if is_last or not may_cut else self._sizes.target(left, self._noise),
            is_last=is_last or not may_cut,
        )

    def _window(self, target: float, *, is_last: bool = False) -> Window:
        until = self.at + max(round(self._gap * target), 1)
        if self._now is not None:
            until = self._now if is_last else min(until, self._now)
        window = Window(self.at, until)
        self._on_their_way[window] = target
        self.at = until
        return window

    def learn(self, window: Window, rows: int) -> None:
        """Note how many rows a window turned out to hold."""
        target = self._on_their_way.pop(window, 0.0)
        self._rows_left -= rows
        if window.after is None or window.until is None or window.until <= self._latest:
            return
        self._latest = window.until
        # Where nothing is found, more windows would find nothing: a request without an end does.
        self._is_lost = rows == 0
        seconds = float(window.until - window.after)
        off = abs(rows - target) / math.sqrt(max(target, 1.0))
        self._noise += (min(DEVIATION_OF_MEAN * off, 1.0) - self._noise) / LEARNED_FROM
        if off > SURPRISE:
            # Rows come otherwise than before: what was known of them is of no use.
            self._known_time, self._known_rows = seconds, max(float(rows), target / MOST_GROWTH)
        else:
            self._known_time = self._known_time * MEMORY + seconds
            self._known_rows = self._known_rows * MEMORY + rows
        self._gap = self._known_time / max(self._known_rows, 1.0)

    def settle(self, rows: int) -> None:
        """Note the rows of the next window in order."""
        self._rows_behind -= rows

    @property
    def behind(self) -> float:
        """How many rows lie behind the windows that are settled."""
        if self._outer is not None:
            return self._rows_behind + self._outer.behind
        return self._rows_behind if self.end is None else math.inf


def row_spacing(times: Sequence[int]) -> float:
    """Return the time between two rows at the end of a page."""
    middle = len(times) // 2
    return (times[-1] - times[middle]) / max(len(times) - 1 - middle, 1)
