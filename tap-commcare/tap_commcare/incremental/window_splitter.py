"""Splits a range of time into windows of a few pages each. Pure.

Where rows lie in time is known only from the pages read so far, so the widths follow what was
found: after a window that is nearly empty the next ones are wider, after a full one they are
narrower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tap_commcare.pagination.pages import Window

MAX_GROWTH = 8.0
MIN_PAGES = 2
# The height of the normal distribution's peak. Where the curve is as low as the cost of a
# deviation, leaving more room would waste more than the requests that it saves.
PEAK = 0.4
# A window that deviates by more than this did not do so by chance.
SURPRISE = 4.0
# The weight of earlier windows when the density is updated.
MEMORY = 0.75
LEARNED_FROM = 4
# The standard deviation of a normal distribution is 1.25 times its mean absolute deviation.
STANDARD_PER_MEAN_DEVIATION = 1.25


@dataclass(frozen=True)
class WindowSizes:
    """The size limits of windows.

    Args:
        page_size: Rows of a page.
        in_flight: Requests at the same time.
        max_pages: Pages that a window may have.
    """

    page_size: int
    in_flight: int
    max_pages: int

    def capacity(self, rows_left: float) -> int:
        """Return the rows of the pages that a window should have.

        Each window wastes a part of its last page, so there should be few of them; but towards the
        end there must be one for each request in flight.
        """
        pages = max(round(rows_left / self.page_size / self.in_flight), MIN_PAGES)
        return min(pages, self.max_pages) * self.page_size

    def target(self, rows_left: float, noise: float = 1.0) -> float:
        """Return how many rows a window should have.

        The number of rows in a window of given width varies: by the square root of the number if
        rows come by chance, by ``noise`` times that otherwise. One row too many costs a request,
        an empty place only a part of one. So the target stays some deviations below the capacity.
        """
        capacity = self.capacity(rows_left)
        deviation = max(noise * math.sqrt(capacity), 1.0)
        cost = deviation / self.page_size
        deviations = math.sqrt(2 * math.log(PEAK / cost)) if cost < PEAK else 0.0
        return max(capacity - deviations * deviation, capacity / 2, 1.0)


class WindowSplitter:
    """Splits the rows after a time into windows, one at a time.

    Args:
        after: The range begins after this time.
        end: Where the range ends; None if that is not known. Then the last rows are left over, for
            a request without an end.
        rows: How many rows the range has, by the server's count.
        spacing: The time between two rows at its beginning, if known.
        outer: The splitter of the window that this range is the rest of.
        now: A time after which hardly any row lies, whether or not there is an end.
    """

    def __init__(
        self,
        after: int,
        end: int | None,
        rows: int,
        sizes: WindowSizes,
        spacing: float = 0.0,
        outer: WindowSplitter | None = None,
        now: int | None = None,
    ) -> None:
        self.position = after
        self.end = end
        self._sizes = sizes
        self._rows_left = float(rows)
        self._rows_behind = rows
        self._expected: dict[Window, float] = {}
        """The rows expected in the windows whose contents are not known yet."""
        self._latest = after
        mean_spacing = spacing if end is None else (end - after) / max(rows, 1)
        self._spacing = min(spacing or mean_spacing, mean_spacing)
        self._known_rows = float(sizes.page_size)
        self._known_time = self._spacing * sizes.page_size
        self._outer = outer
        self._now = end if now is None else now
        self._is_lost = False
        self._noise = 1.0

    def next_window(self, *, may_split: bool) -> Window | None:
        """Return the next window, or None if the rest should not be split.

        With an end, the last window takes everything that is left.
        """
        left = self._rows_left - sum(self._expected.values())
        if self.end is None:
            # The last page is left over: rows that are edited meanwhile move to the end, and a
            # window counts only while rows are known to lie behind it.
            spare = left - self._sizes.page_size
            if not may_split or self._is_lost or spare < self._sizes.page_size:
                return None
            if self._now is not None and self.position >= self._now:
                return None
            rows = min(left, spare * self._sizes.in_flight)
            return self._window(self._sizes.target(rows, self._noise))
        if self.position >= self.end:
            return None
        is_last = left <= self._sizes.capacity(left) + self._sizes.page_size / 2
        return self._window(
            left if is_last or not may_split else self._sizes.target(left, self._noise),
            is_last=is_last or not may_split,
        )

    def _window(self, target: float, *, is_last: bool = False) -> Window:
        until = self.position + max(round(self._spacing * target), 1)
        if self._now is not None:
            until = self._now if is_last else min(until, self._now)
        window = Window(self.position, until)
        self._expected[window] = target
        self.position = until
        return window

    def learn(self, window: Window, rows: int) -> None:
        """Record how many rows a window contained."""
        target = self._expected.pop(window, 0.0)
        self._rows_left -= rows
        # Windows may be answered out of order; the density follows the latest one only.
        if window.after is None or window.until is None or window.until <= self._latest:
            return
        self._latest = window.until
        # After an empty window more windows would find nothing; a request without an end does.
        self._is_lost = rows == 0
        width = float(window.until - window.after)
        off = abs(rows - target) / math.sqrt(max(target, 1.0))
        noise = min(STANDARD_PER_MEAN_DEVIATION * off, 1.0)
        self._noise += (noise - self._noise) / LEARNED_FROM
        if off > SURPRISE:
            # The rows are spaced differently from here on: earlier windows say nothing about them.
            self._known_time, self._known_rows = width, max(float(rows), target / MAX_GROWTH)
        else:
            self._known_time = self._known_time * MEMORY + width
            self._known_rows = self._known_rows * MEMORY + rows
        self._spacing = self._known_time / max(self._known_rows, 1.0)

    def settle(self, rows: int) -> None:
        """Record the rows of the next window in order, once it is its turn."""
        self._rows_behind -= rows

    @property
    def rows_behind(self) -> float:
        """How many rows lie behind the settled windows."""
        if self._outer is not None:
            return self._rows_behind + self._outer.rows_behind
        return self._rows_behind if self.end is None else math.inf


def row_spacing(times: Sequence[int]) -> float:
    """Return the mean time between two rows in the second half of a page."""
    middle = len(times) // 2
    return (times[-1] - times[middle]) / max(len(times) - 1 - middle, 1)
