"""What an endpoint must offer to be read by time. No endpoint, no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from tap_commcare.pagination.windows import Window

PageToken = dict[str, Any]
"""How to go on inside a window; kept in the state as it is."""


@dataclass(frozen=True)
class TimedPage:
    """A page of rows in the order of their stamps.

    ``rows`` and ``stamps`` and ``ids`` run in parallel.
    """

    rows: Sequence[Any]
    ids: Sequence[str]
    times: Sequence[int]
    total: int | None
    """How many rows the window holds, from this page on, if the server says so."""
    more: PageToken | None
    """How to read on in this window, or None after its last row."""
    asked_at: datetime
    """When it was asked for, by the server's clock."""


class TimedSource(Protocol):
    """An endpoint whose rows are ordered by a stamp."""

    page_size: int

    def page(self, window: Window, more: PageToken | None, limit: int | None = None) -> TimedPage:
        """Return the first page of a window, or the one that ``more`` of the page before names."""
