"""What stands in line while a list is read ahead: pages, windows still to be cut, and the budget.

No threads are started here, and no order is decided: that is the reader's part.
"""

from __future__ import annotations

import json
import math
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from tap_common.errors import UnexpectedResponseError

from tap_commcare.pagination.pages import PageToken, TimedPage
from tap_commcare.pagination.windows import Window, WindowSplitter

Seen = frozenset[tuple[str, int]]

MOST_EXTRA = 0.05  # of the requests that reading one page after the other takes
ROUNDING = 1.0  # the last page of either read is full or not
FIRST_COST = 0.2
# What is kept for a window under way, which may turn out nearly empty or a little too full.
RISK = 2.0  # times what windows have cost so far
MOST_RISK = 0.5
LEARNED_FROM = 4


@dataclass
class PageRequest:
    """A page that is wanted, on its way, or held back until its turn."""

    window: Window
    more: PageToken | None = None
    seen: Seen = frozenset()
    cutter: WindowSplitter | None = None
    future: Future[TimedPage] | None = None
    is_resumed: bool = False
    is_followed: bool = False
    """Whether what comes behind this page stands in line already."""
    left: int | None = None
    """How many rows of the window come from this page on, if known."""
    is_settled: bool = False
    """Whether rows are known to lie behind its window, so that none can move into it."""
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

    def without_end(self, page: TimedPage) -> TimedPage:
        """Return a page that leads on only to rows that are known to exist.

        A full page has a link, also when it is the last. Rows leave a window with an end, and none
        comes into it; behind an open one may stand what was edited meanwhile.
        """
        left = self.left if page.total is None else page.total
        is_last = left is not None and left <= len(page.rows)
        return replace(page, more=None) if is_last and not self.window.is_open else page

    def holds(self, page: TimedPage) -> bool:
        """Return whether the server kept to the end of the window."""
        until = self.window.until
        return self.cutter is None or until is None or max(page.times, default=until) <= until

    def next_page(self, page: TimedPage) -> PageRequest:
        """Return the request for the next page of the same window."""
        place = hash(json.dumps(page.more, sort_keys=True))
        if place in self.visited:
            raise UnexpectedResponseError(
                "The links from page to page lead in a circle.", "Run again later."
            )
        self.visited.add(place)
        return replace(
            self,
            more=page.more,
            seen=keys_of(page),
            future=None,
            is_followed=False,
            left=None if self.left is None else self.left - len(page.rows),
        )


@dataclass
class WindowSplit:
    """Windows that are still to be cut; the first of them begins among rows seen already."""

    cutter: WindowSplitter
    seen: Seen = frozenset()

    def next_request(self, *, may_cut: bool) -> tuple[PageRequest | None, bool]:
        """Return the request that comes next, if any, and whether others may follow it."""
        window = self.cutter.next_window(may_cut=may_cut)
        seen, self.seen = self.seen, frozenset()
        if window is not None:
            return PageRequest(window, seen=seen, cutter=self.cutter), True
        if self.cutter.end is None:
            return PageRequest(Window(self.cutter.at, None), seen=seen), False
        return None, False


@dataclass
class RequestBudget:
    """How many requests more than one after the other a read may cost, in parts of a page.

    Sources count requests, not rows. A window wastes what its last page has room for.
    """

    allowed: float | None = None
    spent: float = 0.0
    _of_a_window: float = FIRST_COST

    def begin(self, rows: int, page_size: int) -> None:
        """Begin with what the first page says of the rows that there are."""
        if self.allowed is None:
            self.allowed = math.floor(MOST_EXTRA * rows / page_size) - ROUNDING

    def spend(self, part: float) -> None:
        """Note what a window has wasted."""
        self.spent += part
        self._of_a_window += (part - self._of_a_window) / LEARNED_FROM

    def allows(self, under_way: int) -> bool:
        """Return whether one more window can be afforded, beside those under way."""
        kept = under_way * min(RISK * self._of_a_window, MOST_RISK)
        return self.spent + kept + self._of_a_window <= (self.allowed or 0.0)


def keys_of(page: TimedPage) -> Seen:
    """Return what tells a page's rows from others."""
    return frozenset(zip(page.ids, page.times, strict=True))


def drop_seen(page: TimedPage, seen: Seen) -> TimedPage:
    """Return a page without the rows that the page before it held already."""
    if not seen:
        return page
    pairs = zip(page.ids, page.times, strict=True)
    return select_rows(page, [index for index, pair in enumerate(pairs) if pair not in seen])


def select_rows(page: TimedPage, kept: list[int]) -> TimedPage:
    """Return a page with some of its rows."""
    if len(kept) == len(page.rows):
        return page
    return replace(
        page,
        rows=[page.rows[index] for index in kept],
        ids=[page.ids[index] for index in kept],
        times=[page.times[index] for index in kept],
    )
