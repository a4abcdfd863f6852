"""How a range of time is cut into windows that hold about a page each. Pure.

A stamp is a whole number of milliseconds since 1970. Where rows lie in time is only known from the
pages read so far, so widths follow what was found: a window that came back nearly empty makes the
next ones wider, a full one makes them narrower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# A window that holds more than a page costs a request more; one that holds less wastes a part.
FILL = 0.95
MOST_GROWTH = 8.0
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


class Cutter:
    """Cuts what is left after a page into windows, one at a time.

    Once the windows on their way should hold all rows, what is left of time is one last window.

    Args:
        stamps: Those of the page, in order; what is left begins at its last.
        end: Where what is left ends.
        rows: How many rows are left, as the server says.
        page_size: How many of them fit into one page.
    """

    def __init__(self, stamps: Sequence[int], end: int, rows: int, page_size: int) -> None:
        self._at = stamps[-1] - 1
        self._end = end
        self._target = max(FILL * page_size, 1.0)
        self._rows_left = float(rows)
        self._on_their_way = 0
        near = _gap(stamps)
        everywhere = (end - self._at) / max(rows, 1)
        self._width = max(min(near or everywhere, everywhere) * self._target, 1.0)

    def __iter__(self) -> Iterator[Window]:
        """Yield windows until the end is reached."""
        while self._at < self._end and self._unplanned_rows() > 0:
            until = min(self._at + max(round(self._width), 1), self._end)
            self._on_their_way += 1
            yield Window(self._at, until)
            self._at = until
        if self._at < self._end:
            yield Window(self._at, self._end)

    def learn(self, window: Window, rows: int) -> None:
        """Note how many rows a window turned out to hold."""
        self._on_their_way -= 1
        self._rows_left -= rows
        if window.after is None or window.until is None:
            return
        span = window.until - window.after
        growth = MOST_GROWTH if rows == 0 else min(self._target / rows, MOST_GROWTH)
        self._width = max(span * growth, 1.0)

    def _unplanned_rows(self) -> float:
        return self._rows_left - self._on_their_way * self._target


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
    near = min(max(_gap(stamps) * rows * share, 1.0), far)
    # One guess is careful: rows after it are worth more than a place that comes close.
    steps = max(count - 2, 1)
    ratio = far / near if near > 0 else 1.0
    places = [CAREFUL * near, *(near * ratio ** (step / steps) for step in range(steps + 1))]
    return sorted({first + round(place) for place in places if 0 < round(place) < end - first})


def _gap(stamps: Sequence[int]) -> float:
    """Return the time between two rows at the end of a page."""
    middle = len(stamps) // 2
    return (stamps[-1] - stamps[middle]) / max(len(stamps) - 1 - middle, 1)
