"""How a range of time is cut into windows that hold about a page each. Pure.

A stamp is a whole number of milliseconds since 1970. Where rows lie in time is only known from the
pages read so far, so widths follow what was found: a window that came back nearly empty makes the
next ones wider, a full one makes them narrower.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

FILL = 0.9
MOST_GROWTH = 8.0


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
    """Cuts what is left of a window into narrower ones, one at a time.

    Once all rows were found, what is left of time is one last window.

    Args:
        whole: What is left, with both ends.
        rows: How many rows it holds, as the server says.
        page_size: How many of them fit into one page.
        is_open: The last window has no end.
    """

    def __init__(self, whole: Window, rows: int, page_size: int, *, is_open: bool) -> None:
        if whole.after is None or whole.until is None or whole.until <= whole.after:
            raise ValueError("only a range with two ends can be cut")
        self._at = whole.after
        self._end = whole.until
        self._rows_left = rows
        self._is_open = is_open
        self._target = max(FILL * page_size, 1.0)
        span = self._end - self._at
        pieces = max(-(-rows // max(int(self._target), 1)), 1)
        self._width = max(span / pieces, 1.0)

    def __iter__(self) -> Iterator[Window]:
        """Yield windows until the end is reached."""
        while self._at < self._end and self._rows_left > 0:
            until = min(self._at + max(round(self._width), 1), self._end)
            # A sliver at the end would cost a request of its own.
            if self._end - until < 0.1 * self._width:
                until = self._end
            yield Window(self._at, until)
            self._at = until
        if self._is_open:
            yield Window(self._at, None)
        elif self._at < self._end:
            yield Window(self._at, self._end)

    def learn(self, window: Window, rows: int) -> None:
        """Note how many rows a window turned out to hold."""
        self._rows_left -= rows
        if window.after is None or window.until is None:
            return
        span = window.until - window.after
        growth = MOST_GROWTH if rows == 0 else min(self._target / rows, MOST_GROWTH)
        self._width = max(span * growth, 1.0)
