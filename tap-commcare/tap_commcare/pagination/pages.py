"""Pages in the order of time, and what an endpoint must offer to be read in it. No HTTP.

A time is a whole number of milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

PageToken = dict[str, Any]
"""Which page of a window is meant; stored in the state as it is."""


@dataclass(frozen=True)
class Window:
    """Rows whose time is after ``after`` and at most ``until``; None leaves that side open."""

    after: int | None
    until: int | None

    @property
    def is_open(self) -> bool:
        """Whether rows that change from now on still fall into it."""
        return self.until is None


@dataclass(frozen=True)
class TimedPage:
    """A page of rows in the order of time; ``rows``, ``ids`` and ``times`` run in parallel."""

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
        """Return the first page of a window, or the one of a token that a page before it had."""
