"""Prefetches several time windows concurrently, and yields their pages strictly in order.

The order keeps the state simple: everything before the last page is done. Rows that are edited
meanwhile move behind the last row. So a window counts only while rows lie behind it, whatever the
clock says, and what lies behind all windows is read last and alone. What windows cost in addition
to reading page by page has a budget: short lists are not split.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field

from tap_common.errors import ApiError, InterruptedRunError, RequestRejectedError
from tap_common.timestamps import datetime_to_millis

from tap_commcare.incremental.bookmarks import Start
from tap_commcare.incremental.request_queue import (
    PageRequest,
    RequestBudget,
    WindowSplit,
    drop_seen,
    row_keys,
)
from tap_commcare.incremental.window_splitter import WindowSizes, WindowSplitter, row_spacing
from tap_commcare.pagination.pages import TimedPage, TimedSource, Window

# Pages that arrive before their turn are held in memory, up to this many rows, and up to this many
# pages per request in flight.
MAX_HELD_ROWS = 12_000
MAX_HELD_PAGES = 16


@dataclass
class Prefetcher:
    """Reads one source.

    Args:
        source: The endpoint.
        executor: Runs requests at the same time; None if they are sequential.
        max_in_flight: Returns how many requests may be in flight at the moment.
    """

    source: TimedSource
    executor: Executor | None
    max_in_flight: Callable[[], int]
    _queue: deque[PageRequest | WindowSplit] = field(default_factory=deque)
    """The requests that are still to be made, in order of time."""
    _budget: RequestBudget = field(default_factory=RequestBudget)

    def pages(self, start: Start) -> Iterator[tuple[Window, TimedPage]]:
        """Yield each page with its window, in order of time."""
        is_resumed = start.page_token is not None
        self._queue = deque([PageRequest(start.window, start.page_token, is_resumed=is_resumed)])
        if start.window.until is not None:
            self._queue.append(PageRequest(Window(start.window.until, None)))
        try:
            while self._queue:
                head = self._queue[0]
                if isinstance(head, WindowSplit):
                    self._expand(0, head, may_split=self._budget.allows(0))
                    continue
                page = self._page_or_unsupported(head)
                if page is None:
                    self._read_sequentially(head)
                    continue
                if not self._is_final(head, page):
                    self._read_to_end(head)
                    continue
                self._queue_next(0, head, page)
                self._queue.popleft()
                # The next requests are sent before this page is written.
                self._send_ahead()
                yield head.window, drop_seen(page, head.seen)
        finally:
            self._cancel()

    def _expand(self, index: int, split: WindowSplit, *, may_split: bool) -> None:
        """Put the next request of a split before it; remove the split after its last."""
        request, has_more = split.next_request(may_split=may_split)
        if not has_more:
            del self._queue[index]
        if request is not None:
            self._queue.insert(index, request)

    def _page_or_unsupported(self, request: PageRequest) -> TimedPage | None:
        """Return a page, or None if the server does not support the end of its window."""
        try:
            page = self._page(request)
        except RequestRejectedError:
            if request.splitter is None:
                raise
            return None
        return request.without_empty_next(page) if request.respects_end(page) else None

    def _page(self, request: PageRequest) -> TimedPage:
        """Return a page; send other requests until it has arrived."""
        if self.executor is None:
            return self.source.page(request.window, request.page_token)
        self._send_ahead()
        while request.is_in_flight:
            wait(self._in_flight(), return_when=FIRST_COMPLETED)
            self._queue_behind_answered()
            self._send_ahead()
        if request.future is None:
            return self.source.page(request.window, request.page_token)
        return request.future.result()

    def _in_flight(self) -> list[Future[TimedPage]]:
        futures = [item.future for item in self._requests() if item.is_in_flight]
        # A future may be done by now: waiting for it would be a busy loop.
        return [future for future in futures if future is not None and not future.done()]

    def _requests(self) -> list[PageRequest]:
        return [item for item in self._queue if isinstance(item, PageRequest)]

    def _read_sequentially(self, request: PageRequest) -> None:
        """Read the remaining pages without windows, one after the other."""
        self._cancel()
        self.executor = None
        window = Window(request.window.after, None)
        self._queue = deque([PageRequest(window, request.page_token, seen=request.seen)])

    def _cancel(self) -> None:
        for future in self._in_flight():
            future.cancel()

    def _is_final(self, head: PageRequest, page: TimedPage) -> bool:
        """Return whether no row can still move onto the next pages.

        Rows that are edited meanwhile move behind the last row, never before others. As long as
        half a page of rows lies behind a window, none of them can have moved into it. Counting rows
        instead of comparing times makes this independent of all clocks.
        """
        if head.splitter is None:
            return True
        if head.page_token is None and not head.is_settled:
            head.is_settled = True
            head.splitter.settle(len(page.rows) if page.total is None else page.total)
        if page.next_page_token is not None:
            return True
        return 2 * head.splitter.rows_behind >= self.source.page_size

    def _read_to_end(self, head: PageRequest) -> None:
        """Read the rest without an end, because there may be no rows after the next page."""
        self._cancel()
        self._budget.spend(sum(item.future is not None for item in self._requests()))
        after = head.window.after
        if head.page_token is not None:
            # From within the window: from the last row that was emitted.
            after = max(time for _, time in head.seen) - 1
        self._queue = deque([PageRequest(Window(after, None), seen=head.seen)])

    def _queue_behind_answered(self) -> None:
        """Queue the request after each page that has arrived, without waiting for its turn."""
        for item in self._requests():
            if item.is_followed or item.window.is_open or not item.is_answered:
                continue
            page = _page_or_none(item.future)
            if page is None or not item.respects_end(page):
                # An error is raised at its turn; requests after it can wait.
                break
            self._queue_next(self._queue.index(item), item, item.without_empty_next(page))

    def _queue_next(self, index: int, request: PageRequest, page: TimedPage) -> None:
        """Queue the rest of a window after its page."""
        if request.is_followed:
            return
        request.is_followed = True
        request.count(page)
        if page.next_page_token is None:
            if request.splitter is not None:
                self._budget.spend(max(1 - len(page.rows) / self.source.page_size, 0.0))
            return
        if request.is_resumed and page.rows and page.times[0] < page.times[-1]:
            # A page that was resumed by token has no count. Past the rows of equal time, a request
            # by time says again how many rows are left, so that they can be split.
            window = Window(page.times[-1] - 1, request.window.until)
            self._queue.insert(index + 1, PageRequest(window, seen=row_keys(page)))
            return
        following = request.next_page(page)
        rows_left = following.rows_left
        if rows_left is None or not self._is_worth_splitting(request, page, rows_left):
            self._queue.insert(index + 1, following)
        else:
            self._queue.insert(index + 1, self._split(request, page, rows_left))

    def _is_worth_splitting(self, request: PageRequest, page: TimedPage, rows_left: int) -> bool:
        """Return whether the rest arrives sooner in windows than page by page."""
        if self.executor is None or self.max_in_flight() == 1:
            return False
        if rows_left <= self.source.page_size:
            return False
        # Rows with equal times can only be paged by token.
        if not page.rows or page.times[-1] == page.times[0]:
            return False
        self._budget.begin(rows_left + len(page.rows), self.source.page_size)
        if not self._budget.allows(0):
            return False
        return request.window.is_open or self._has_idle_slots()

    def _has_idle_slots(self) -> bool:
        """Return whether fewer requests are queued than could be in flight."""
        held = sum(item.future is not None for item in self._requests())
        if held >= self._max_held():
            # No page may be requested behind the first one, so that splitting it costs no slot.
            return True
        if any(isinstance(item, WindowSplit) for item in self._queue):
            return False
        pending = [r for r in self._requests() if not r.window.is_open and not r.is_answered]
        return len(pending) + 1 < self.max_in_flight()

    def _max_held(self) -> int:
        in_flight = self.max_in_flight()
        held = min(MAX_HELD_ROWS // self.source.page_size, MAX_HELD_PAGES * in_flight)
        return max(in_flight, held)

    def _split(self, request: PageRequest, page: TimedPage, rows_left: int) -> WindowSplit:
        """Split the rest of a window; ``page`` is the page before it."""
        in_flight = self.max_in_flight()
        sizes = WindowSizes(self.source.page_size, in_flight, max(self._max_held() // in_flight, 1))
        # One less, so that other rows of the last row's time are in the window; those that were
        # seen are dropped.
        after, end = page.times[-1] - 1, request.window.until
        now = end if end is not None else max(datetime_to_millis(page.requested_at), after + 1)
        spacing = row_spacing(page.times)
        splitter = WindowSplitter(after, end, rows_left, sizes, spacing, request.splitter, now)
        return WindowSplit(splitter, row_keys(page))

    def _send_ahead(self) -> None:
        """Send requests in order, as long as slots are free and pages can be held."""
        if self.executor is None:
            return
        max_in_flight, room = self.max_in_flight(), self._max_held()
        in_flight = len(self._in_flight())
        room -= sum(item.future is not None for item in self._requests())
        index = 0
        # The first request is always sent: everything else waits for it.
        while index < len(self._queue) and (index == 0 or in_flight < max_in_flight):
            item = self._queue[index]
            if isinstance(item, WindowSplit):
                uncertain = sum(r.splitter is not None and r.is_in_flight for r in self._requests())
                may_split = self._budget.allows(uncertain)
                if index > 0 and not may_split:
                    return
                self._expand(index, item, may_split=may_split)
                continue
            # Rows may still move into the open window: it is read alone, as the last one.
            if index > 0 and (item.window.is_open or (room <= 0 and index >= max_in_flight)):
                return
            if item.future is None:
                item.future = self.executor.submit(
                    self.source.page, item.window, item.page_token, None
                )
                in_flight, room = in_flight + 1, room - 1
            index += 1


def _page_or_none(future: Future[TimedPage] | None) -> TimedPage | None:
    """Return the page of a response, or None for an error."""
    try:
        return None if future is None else future.result()
    except InterruptedRunError:
        raise
    except ApiError:
        return None
