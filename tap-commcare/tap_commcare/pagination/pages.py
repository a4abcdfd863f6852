"""Pages in order of time, and the interface of endpoints that can be read so. No HTTP.

A time is a whole number of milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

PageToken = dict[str, Any]
"""Identifies a page of a window; stored in the state unchanged."""


@dataclass(frozen=True)
class Window:
    """Rows whose time is after ``after`` and at most ``until``; None leaves that side open."""

    after: int | None
    until: int | None

    @property
    def is_open(self) -> bool:
        """Whether rows that change from now on would be in it."""
        return self.until is None


@dataclass(frozen=True)
class TimedPage:
    """A page of rows in order of time; ``rows``, ``ids`` and ``times`` are parallel lists."""

    rows: Sequence[Any]
    ids: Sequence[str]
    times: Sequence[int]
    total: int | None
    """How many rows the window has from this page on, if the server says so."""
    next_page_token: PageToken | None
    """The next page of the window; None after its last row."""
    requested_at: datetime
    """When it was requested, by the server's clock."""


class TimedSource(Protocol):
    """An endpoint whose rows are ordered by a time."""

    page_size: int

    def page(
        self, window: Window, page_token: PageToken | None, limit: int | None = None
    ) -> TimedPage:
        """Return the first page of a window, or the page of a token from an earlier page."""
