"""What stands in line while a list is read ahead: pages, windows still to be cut, and the end.

No threads are started here, and no order is decided: that is the reader's part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from dimagi_api.errors import ShapeError

from tap_commcare.source import More, TimedPage
from tap_commcare.windows import Cutter, Window

Seen = frozenset[tuple[str, int]]

MOST_SEARCHES = 8


@dataclass
class Request:
    """A page that is wanted, on its way, or held back until its turn."""

    window: Window
    more: More | None = None
    seen: Seen = frozenset()
    cutter: Cutter | None = None
    future: Future[TimedPage] | None = None
    is_resumed: bool = False
    is_followed: bool = False
    """Whether what comes behind this page stands in line already."""
    left: int | None = None
    """How many rows of the window come from this page on, if known."""
    quiet_after: int | None = None
    """A stamp behind which there were no rows: a hint where they end."""
    visited: set[int] = field(default_factory=set)
    """The pages of this window that were asked for: a circle of links would never end."""

    @property
    def is_under_way(self) -> bool:
        """Tell whether the answer is still to come."""
        return self.future is not None and not self.future.done()

    @property
    def has_come(self) -> bool:
        """Tell whether there is an answer, or a failure."""
        return self.future is not None and self.future.done()

    def count(self, page: TimedPage) -> None:
        """Note how many rows the server says that there are."""
        if page.total is not None:
            self.left = page.total
        if self.more is None and self.cutter is not None:
            rows = page.total if page.total is not None else len(page.rows)
            self.cutter.learn(self.window, rows)

    def holds(self, page: TimedPage) -> bool:
        """Tell whether the server kept to the end of the window."""
        until = self.window.until
        return self.cutter is None or until is None or max(page.stamps, default=until) <= until

    def next_page(self, page: TimedPage) -> Request:
        """Return the request for the next page of the same window."""
        place = hash(json.dumps(page.more, sort_keys=True))
        if place in self.visited:
            raise ShapeError("The links from page to page lead in a circle.", "Run again later.")
        self.visited.add(place)
        return replace(
            self,
            more=page.more,
            seen=seen_in(page),
            future=None,
            is_followed=False,
            left=None if self.left is None else self.left - len(page.rows),
        )


@dataclass
class Cut:
    """Windows that are still to be cut; the first of them begins among rows seen already."""

    cutter: Cutter
    seen: Seen = frozenset()
    windows: Iterator[Window] = field(init=False)

    def __post_init__(self) -> None:
        self.windows = iter(self.cutter)

    def next_request(self) -> Request | None:
        """Return the request for the next window, or None after the last."""
        window = next(self.windows, None)
        if window is None:
            return None
        seen, self.seen = self.seen, frozenset()
        return Request(window, seen=seen, cutter=self.cutter)


@dataclass
class EndSearch:
    """Looks for a stamp that has rows after it, but hardly more than a page.

    Args:
        low: A stamp that has rows after it.
        rows: How many.
        high: A stamp that has none.
    """

    low: int
    rows: int
    high: int
    tries: int = MOST_SEARCHES
    was_empty: bool = True
    place: int = 0
    future: Future[TimedPage] | None = None

    def next_place(self, page_size: int) -> int | None:
        """Return where to look next, or None if that is not worth a request."""
        if self.tries == 0 or self.rows <= page_size or self.high - self.low < 2:
            return None
        self.tries -= 1
        share = 0.5 if self.was_empty else 1 - 0.5 * page_size / self.rows
        self.place = self.low + max(round((self.high - self.low) * share), 1)
        return self.place


def seen_in(page: TimedPage) -> Seen:
    """Return what tells a page's rows from others."""
    return frozenset(zip(page.ids, page.stamps, strict=True))


def without(page: TimedPage, seen: Seen) -> TimedPage:
    """Return a page without the rows that the page before it held already."""
    if not seen:
        return page
    pairs = zip(page.ids, page.stamps, strict=True)
    return only(page, [index for index, pair in enumerate(pairs) if pair not in seen])


def only(page: TimedPage, kept: list[int]) -> TimedPage:
    """Return a page with some of its rows."""
    if len(kept) == len(page.rows):
        return page
    return replace(
        page,
        rows=[page.rows[index] for index in kept],
        ids=[page.ids[index] for index in kept],
        stamps=[page.stamps[index] for index in kept],
    )
