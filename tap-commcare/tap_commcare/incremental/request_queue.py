"""The request queue of a read: pages, windows that are still to be split, and the budget.

The prefetcher sends the requests, and decides on their order.
"""

from __future__ import annotations

import json
import math
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from tap_common.errors import UnexpectedResponseError

from tap_commcare.incremental.window_splitter import WindowSplitter
from tap_commcare.pagination.pages import PageToken, TimedPage, Window

RowKeys = frozenset[tuple[str, int]]
"""The id and the time of a row."""

MAX_EXTRA = 0.05  # of the number of requests that reading page by page takes
ROUNDING = 1.0  # the last page of either way may be full or not
FIRST_COST = 0.2
# What is reserved for a window in flight, which may turn out nearly empty or slightly too full:
# a multiple of what windows have cost so far, up to a limit.
RISK = 2.0
MAX_RISK = 0.5
LEARNED_FROM = 4


@dataclass
class PageRequest:
    """A page: to be requested, in flight, or kept until its turn."""

    window: Window
    page_token: PageToken | None = None
    seen: RowKeys = frozenset()
    """Rows of the previous page, which this page may repeat."""
    splitter: WindowSplitter | None = None
    """The splitter that made the window; None if it was not split off."""
    future: Future[TimedPage] | None = None
    is_resumed: bool = False
    is_followed: bool = False
    """Whether the request after this page is queued."""
    rows_left: int | None = None
    """The number of rows in the window from this page on, if known."""
    is_settled: bool = False
    """Whether the rows of the window have been reported to the splitter, in order."""
    visited: set[int] = field(default_factory=set)
    """The page tokens used in this window: a cycle of links would never end."""

    @property
    def is_in_flight(self) -> bool:
        """Whether the response has not arrived yet."""
        return self.future is not None and not self.future.done()

    @property
    def is_answered(self) -> bool:
        """Whether there is a page, or an error."""
        return self.future is not None and self.future.done()

    def count(self, page: TimedPage) -> None:
        """Record the number of rows in the window, as the server counts them."""
        if page.total is not None:
            self.rows_left = page.total
        # Only the first page of a window says how many rows all of it has.
        if self.page_token is None and self.splitter is not None:
            rows = page.total if page.total is not None else len(page.rows)
            self.splitter.learn(self.window, rows)

    def without_empty_next(self, page: TimedPage) -> TimedPage:
        """Return a page whose token leads only to rows that are known to exist.

        A full page has a token even if it is the last one; following it would cost a request for an
        empty page. That is safe only in a window with an end: rows leave it, but none comes in.
        Behind an open window there may be rows that were edited meanwhile.
        """
        left = self.rows_left if page.total is None else page.total
        is_last = left is not None and left <= len(page.rows)
        return replace(page, next_page_token=None) if is_last and not self.window.is_open else page

    def respects_end(self, page: TimedPage) -> bool:
        """Return whether the server observed the end of the window."""
        until = self.window.until
        return self.splitter is None or until is None or max(page.times, default=until) <= until

    def next_page(self, page: TimedPage) -> PageRequest:
        """Return the request for the next page of the same window.

        Raises:
            UnexpectedResponseError: The page was requested before.
        """
        token = hash(json.dumps(page.next_page_token, sort_keys=True))
        if token in self.visited:
            raise UnexpectedResponseError(
                "The links from page to page form a cycle.", "Run again later."
            )
        self.visited.add(token)
        return replace(
            self,
            page_token=page.next_page_token,
            seen=row_keys(page),
            future=None,
            is_followed=False,
            rows_left=None if self.rows_left is None else self.rows_left - len(page.rows),
        )


@dataclass
class WindowSplit:
    """Windows that are still to be split off; the first one begins among rows already seen."""

    splitter: WindowSplitter
    seen: RowKeys = frozenset()

    def next_request(self, *, may_split: bool) -> tuple[PageRequest | None, bool]:
        """Return the next request, if there is one, and whether more may follow it."""
        window = self.splitter.next_window(may_split=may_split)
        # Windows after the first begin where the one before ended, so they repeat no row.
        seen, self.seen = self.seen, frozenset()
        if window is not None:
            return PageRequest(window, seen=seen, splitter=self.splitter), True
        if self.splitter.end is None:
            return PageRequest(Window(self.splitter.position, None), seen=seen), False
        return None, False


@dataclass
class RequestBudget:
    """How many more requests than page by page a read may cost, in fractions of a page.

    HQ limits the rate of requests, whatever they return. A window wastes the room that is left on
    its last page.
    """

    allowed: float | None = None
    spent: float = 0.0
    _window_cost: float = FIRST_COST
    """The average cost of a window."""

    def begin(self, rows: int, page_size: int) -> None:
        """Set the budget, once, from the number of rows that the first page states."""
        # Rounded down to whole requests: HQ does not grant fractions of one.
        if self.allowed is None:
            self.allowed = math.floor(MAX_EXTRA * rows / page_size) - ROUNDING

    def spend(self, pages: float) -> None:
        """Record what a window has wasted."""
        self.spent += pages
        self._window_cost += (pages - self._window_cost) / LEARNED_FROM

    def allows(self, in_flight: int) -> bool:
        """Return whether one more window can be afforded, beside those in flight."""
        reserved = in_flight * min(RISK * self._window_cost, MAX_RISK)
        return self.spent + reserved + self._window_cost <= (self.allowed or 0.0)


def row_keys(page: TimedPage) -> RowKeys:
    """Return the ids and times that identify the rows of a page."""
    return frozenset(zip(page.ids, page.times, strict=True))


def drop_seen(page: TimedPage, seen: RowKeys) -> TimedPage:
    """Return a page without the rows that were on the previous page."""
    if not seen:
        return page
    keys = zip(page.ids, page.times, strict=True)
    kept = [index for index, key in enumerate(keys) if key not in seen]
    if len(kept) == len(page.rows):
        return page
    return replace(
        page,
        rows=[page.rows[index] for index in kept],
        ids=[page.ids[index] for index in kept],
        times=[page.times[index] for index in kept],
    )
