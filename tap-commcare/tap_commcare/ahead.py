"""Reads windows of time ahead, several at once, and hands their pages out strictly in order.

Order keeps the state simple: everything before the last page handed out is done. Rows that are
edited meanwhile move behind the last row. So windows are cut only up to a stamp that has rows after
it, whatever the clock says, and what lies behind it is read last and alone.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace

from dimagi_api import timestamps
from dimagi_api.errors import RejectedError, ShapeError

from tap_commcare.positions import Start
from tap_commcare.source import More, TimedPage, TimedSource
from tap_commcare.windows import Cutter, Window, guesses

FEWEST_GUESSES = 3
MOST_GUESSES = 6

Seen = frozenset[tuple[str, int]]


@dataclass
class Request:
    """A page that is wanted, or on its way."""

    window: Window
    more: More | None = None
    seen: Seen = frozenset()
    cutter: Cutter | None = None
    future: Future[TimedPage] | None = None
    is_resumed: bool = False
    quiet_after: int | None = None
    """A stamp behind which there were no rows: a hint where they end."""
    visited: set[int] = field(default_factory=set)
    """The pages of this window that were asked for: a circle of links would never end."""


@dataclass
class Cut:
    """Windows that are still to be cut; the first of them begins among rows seen already."""

    cutter: Cutter
    windows: Iterator[Window]
    seen: Seen

    def next_request(self) -> Request | None:
        """Return the request for the next window, or None after the last."""
        window = next(self.windows, None)
        if window is None:
            return None
        seen, self.seen = self.seen, frozenset()
        return Request(window, seen=seen, cutter=self.cutter)


@dataclass
class ReadAhead:
    """Reads one source.

    Args:
        executor: Runs requests at the same time; None reads one after the other.
        width: How many requests may be under way just now.
    """

    source: TimedSource
    executor: Executor | None
    width: Callable[[], int]
    _line: deque[Request | Cut] = field(default_factory=deque)

    def pages(self, start: Start) -> Iterator[tuple[Window, TimedPage]]:
        """Yield each page with the window that it belongs to, in order of time."""
        self._line = deque([Request(start.window, start.more, is_resumed=start.more is not None)])
        if start.window.until is not None:
            self._line.append(Request(Window(start.window.until, None)))
        try:
            while self._line:
                request = self._head()
                if request is None:
                    continue
                page = self._result(request)
                if page is None:
                    self._read_alone(request)
                    continue
                self._go_on(request, page)
                self._send_ahead()
                yield request.window, _unseen(page, request.seen)
        finally:
            self._cancel()

    def _head(self) -> Request | None:
        head = self._line.popleft()
        if isinstance(head, Request):
            return head
        request = head.next_request()
        if request is not None:
            self._line.extendleft((head, request))
        return None

    def _result(self, request: Request) -> TimedPage | None:
        """Return a page, or None if the server does not understand the end of its window."""
        try:
            if request.future is not None:
                page = request.future.result()
            else:
                page = self.source.page(request.window, request.more)
        except RejectedError:
            if request.cutter is None:
                raise
            return None
        until = request.window.until
        is_inside = until is None or not page.stamps or max(page.stamps) <= until
        return page if is_inside or request.cutter is None else None

    def _read_alone(self, request: Request) -> None:
        """Read what is left without windows, one page after the other."""
        self._cancel()
        self.executor = None
        self._line = deque([Request(Window(request.window.after, None), seen=request.seen)])

    def _cancel(self) -> None:
        for item in self._line:
            if isinstance(item, Request) and item.future is not None:
                item.future.cancel()

    def _go_on(self, request: Request, page: TimedPage) -> None:
        """Put what is left of the window at the head of the line."""
        if request.cutter is not None and request.more is None:
            rows = page.total if page.total is not None else len(page.rows)
            request.cutter.learn(request.window, rows)
        if page.more is None:
            return
        seen = frozenset(zip(page.ids, page.stamps, strict=True))
        if request.is_resumed and page.rows and page.stamps[0] < page.stamps[-1]:
            # Past the crowd: a request by time tells again how many rows are left.
            window = Window(page.stamps[-1] - 1, request.window.until)
            self._line.appendleft(Request(window, seen=seen))
            return
        if not self._is_worth_cutting(page):
            self._line.appendleft(self._next_page(request, page, seen))
        elif request.window.until is None:
            self._cut_open(request, page, seen)
        else:
            self._cut(page, request.window.until, int(page.total or 0) - len(page.rows), seen)

    def _cut(self, page: TimedPage, end: int, rows: int, seen: Seen) -> None:
        """Cut what follows a page until ``end``, which holds so many rows."""
        cutter = Cutter(page.stamps, end, rows, self.source.page_size)
        self._line.appendleft(Cut(cutter, iter(cutter), seen))

    def _cut_open(self, request: Request, page: TimedPage, seen: Seen) -> None:
        """Cut what follows a page until a stamp with rows after it; those are read last."""
        rows = int(page.total or 0) - len(page.rows)
        end = timestamps.milliseconds(page.asked_at)
        if request.quiet_after is not None:
            end = min(end, request.quiet_after)
        last, rows_after = None, 0
        places = self._guesses(page, end, rows)
        for place, probe in zip(places, self._probes(places), strict=True):
            if probe.rows:
                last, rows_after = place, probe.total or 0
            else:
                end = min(end, place)
        if last is None:
            following = self._next_page(request, page, seen)
            self._line.appendleft(replace(following, quiet_after=end))
            return
        self._line.appendleft(Request(Window(last, None), quiet_after=end))
        self._cut(page, last, max(rows - rows_after, 1), seen)

    def _guesses(self, page: TimedPage, end: int, rows: int) -> list[int]:
        if end <= page.stamps[-1]:
            return []
        count = min(max(self.width(), FEWEST_GUESSES), MOST_GUESSES)
        return guesses(page.stamps, end, rows, self.source.page_size, count)

    def _probes(self, places: Sequence[int]) -> list[TimedPage]:
        """Return the first row after each place, and how many rows follow it."""
        if self.executor is None:
            return []
        asked = [
            self.executor.submit(self.source.page, Window(place, None), None, 1) for place in places
        ]
        return [probe.result() for probe in asked]

    def _next_page(self, request: Request, page: TimedPage, seen: Seen) -> Request:
        """Return the request for the next page of the same window."""
        place = hash(json.dumps(page.more, sort_keys=True))
        if place in request.visited:
            raise ShapeError("The links from page to page lead in a circle.", "Run again later.")
        request.visited.add(place)
        return replace(request, more=page.more, seen=seen, future=None)

    def _is_worth_cutting(self, page: TimedPage) -> bool:
        """Tell whether what follows a page is more than one page more."""
        if self.executor is None or self.width() == 1 or page.total is None or not page.rows:
            return False
        if page.total - len(page.rows) <= self.source.page_size:
            return False
        # A page of one stamp is a crowd that only its own order can be followed through.
        return page.stamps[-1] > page.stamps[0]

    def _send_ahead(self) -> None:
        if self.executor is None:
            return
        width = self.width()
        place = 0
        # Pages that came before their turn are held back; they count, or memory would grow.
        while place < min(width, len(self._line)):
            item = self._line[place]
            if isinstance(item, Cut):
                request = item.next_request()
                if request is None:
                    del self._line[place]
                    continue
                self._line.insert(place, request)
                item = request
            if item.window.is_open and place > 0:
                return
            if item.future is None:
                item.future = self.executor.submit(self.source.page, item.window, item.more)
            place += 1


def _unseen(page: TimedPage, seen: Seen) -> TimedPage:
    """Return a page without the rows that the page before it held already."""
    if not seen:
        return page
    kept = [
        index
        for index, pair in enumerate(zip(page.ids, page.stamps, strict=True))
        if pair not in seen
    ]
    if len(kept) == len(page.rows):
        return page
    return replace(
        page,
        rows=[page.rows[index] for index in kept],
        ids=[page.ids[index] for index in kept],
        stamps=[page.stamps[index] for index in kept],
    )
