"""Reads windows of time ahead, several at once, and hands their pages out strictly in order.

Order keeps the state simple: everything before the last page handed out is done. Rows that are
edited meanwhile move behind the last row. So a window counts only when rows lie behind it, whatever
the clock says, and what lies behind the windows is read last and alone. What windows cost, beside
reading one page after the other, has a budget: small lists are not cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field

from tap_common import timestamps
from tap_common.errors import ApiError, InterruptedRunError, RequestRejectedError

from tap_commcare.incremental.bookmarks import Start
from tap_commcare.incremental.request_queue import (
    PageRequest,
    RequestBudget,
    WindowSplit,
    drop_seen,
    keys_of,
)
from tap_commcare.pagination.pages import TimedPage, TimedSource
from tap_commcare.pagination.windows import Window, WindowSizes, WindowSplitter, row_spacing

# Pages that came before their turn are held back: so many rows, and so many pages per request.
ROWS_HELD = 12_000
PAGES_HELD = 16


@dataclass
class Prefetcher:
    """Reads one source.

    Args:
        executor: Runs requests at the same time; None reads one after the other.
        width: How many requests may be under way just now.
    """

    source: TimedSource
    executor: Executor | None
    width: Callable[[], int]
    _line: deque[PageRequest | WindowSplit] = field(default_factory=deque)
    _budget: RequestBudget = field(default_factory=RequestBudget)

    def pages(self, start: Start) -> Iterator[tuple[Window, TimedPage]]:
        """Yield each page with the window that it belongs to, in order of time."""
        self._line = deque(
            [PageRequest(start.window, start.more, is_resumed=start.more is not None)]
        )
        if start.window.until is not None:
            self._line.append(PageRequest(Window(start.window.until, None)))
        try:
            while self._line:
                head = self._line[0]
                if isinstance(head, WindowSplit):
                    self._expand(0, head, may_cut=self._budget.allows(0))
                    continue
                page = self._result(head)
                if page is None:
                    self._read_alone(head)
                    continue
                if not self._is_settled(head, page):
                    self._open(head)
                    continue
                self._follow(0, head, page)
                self._line.popleft()
                self._send_ahead()
                yield head.window, drop_seen(page, head.seen)
        finally:
            self._cancel()

    def _expand(self, place: int, cut: WindowSplit, *, may_cut: bool) -> None:
        """Put the next request of a cut before it; take the cut away after its last."""
        request, has_more = cut.next_request(may_cut=may_cut)
        if not has_more:
            del self._line[place]
        if request is not None:
            self._line.insert(place, request)

    def _result(self, request: PageRequest) -> TimedPage | None:
        """Return a page, or None if the server does not understand the end of its window."""
        try:
            page = self._page(request)
        except RequestRejectedError:
            if request.cutter is None:
                raise
            return None
        return request.without_end(page) if request.holds(page) else None

    def _page(self, request: PageRequest) -> TimedPage:
        """Return a page, and keep the other requests going until it has come."""
        if self.executor is None:
            return self.source.page(request.window, request.more)
        self._send_ahead()
        while request.is_under_way:
            wait(self._under_way(), return_when=FIRST_COMPLETED)
            self._settle()
            self._send_ahead()
        if request.future is None:
            return self.source.page(request.window, request.more)
        return request.future.result()

    def _under_way(self) -> list[Future[TimedPage]]:
        """Return the answers that are still to come."""
        futures = [item.future for item in self._requests() if item.is_under_way]
        return [future for future in futures if future is not None and not future.done()]

    def _requests(self) -> list[PageRequest]:
        return [item for item in self._line if isinstance(item, PageRequest)]

    def _read_alone(self, request: PageRequest) -> None:
        """Read what is left without windows, one page after the other."""
        self._cancel()
        self.executor = None
        window = Window(request.window.after, None)
        self._line = deque([PageRequest(window, request.more, seen=request.seen)])

    def _cancel(self) -> None:
        for future in self._under_way():
            future.cancel()

    def _is_settled(self, head: PageRequest, page: TimedPage) -> bool:
        """Return whether no row can move into what the next page shows any more.

        Rows that are edited meanwhile move behind the last row, never before others.
        """
        if head.cutter is None:
            return True
        if head.more is None and not head.is_settled:
            head.is_settled = True
            head.cutter.settle(len(page.rows) if page.total is None else page.total)
        return page.more is not None or 2 * head.cutter.behind >= self.source.page_size

    def _open(self, head: PageRequest) -> None:
        """Read on without an end, since nothing may lie behind the page that is next."""
        self._cancel()
        self._budget.spend(sum(item.future is not None for item in self._requests()))
        after = head.window.after if head.more is None else max(at for _, at in head.seen) - 1
        self._line = deque([PageRequest(Window(after, None), seen=head.seen)])

    def _settle(self) -> None:
        """Go on behind every page that has come, before its turn."""
        for item in self._requests():
            if item.is_followed or item.window.is_open or not item.has_come:
                continue
            page = _page_or_none(item.future)
            if page is None or not item.holds(page):
                # A failure is met when it is its turn; what comes behind it has time.
                break
            self._follow(self._line.index(item), item, item.without_end(page))

    def _follow(self, place: int, request: PageRequest, page: TimedPage) -> None:
        """Put what is left of a window behind its page in the line."""
        if request.is_followed:
            return
        request.is_followed = True
        request.count(page)
        if page.more is None:
            if request.cutter is not None:
                self._budget.spend(max(1 - len(page.rows) / self.source.page_size, 0.0))
            return
        if request.is_resumed and page.rows and page.times[0] < page.times[-1]:
            # Past the crowd: a request by time tells again how many rows are left.
            window = Window(page.times[-1] - 1, request.window.until)
            self._insert(place + 1, [PageRequest(window, seen=keys_of(page))])
            return
        following = request.next_page(page)
        if following.left is None or not self._is_worth_cutting(request, page, following.left):
            self._insert(place + 1, [following])
        else:
            self._insert(place + 1, [self._cut(request, page, following.left)])

    def _insert(self, place: int, items: Sequence[PageRequest | WindowSplit]) -> None:
        for item in reversed(items):
            self._line.insert(place, item)

    def _is_worth_cutting(self, request: PageRequest, page: TimedPage, left: int) -> bool:
        """Return whether what follows a page comes sooner in windows than page by page."""
        if self.executor is None or self.width() == 1 or left <= self.source.page_size:
            return False
        # A page of one stamp is a crowd that only its own order can be followed through.
        if not page.rows or page.times[-1] == page.times[0]:
            return False
        self._budget.begin(left + len(page.rows), self.source.page_size)
        if not self._budget.allows(0):
            return False
        return request.window.is_open or self._is_idle()

    def _is_idle(self) -> bool:
        """Return whether there is less in line than could be under way."""
        kept = sum(item.future is not None for item in self._requests())
        if kept >= self._most_held():
            return True
        if any(isinstance(item, WindowSplit) for item in self._line):
            return False
        coming = [r for r in self._requests() if not r.window.is_open and not r.has_come]
        return len(coming) + 1 < self.width()

    def _most_held(self) -> int:
        width = self.width()
        return max(width, min(ROWS_HELD // self.source.page_size, PAGES_HELD * width))

    def _cut(self, request: PageRequest, page: TimedPage, rows: int) -> WindowSplit:
        """Split the rest of a window, given the number of rows on the page before it."""
        width = self.width()
        sizes = WindowSizes(self.source.page_size, width, max(self._most_held() // width, 1))
        after, end, gap = page.times[-1] - 1, request.window.until, row_spacing(page.times)
        now = end if end is not None else max(timestamps.milliseconds(page.asked_at), after + 1)
        cutter = WindowSplitter(after, end, rows, sizes, gap, request.cutter, now)
        return WindowSplit(cutter, keys_of(page))

    def _send_ahead(self) -> None:
        """Send what stands first in line, as long as requests are free and pages can be held."""
        if self.executor is None:
            return
        width, room = self.width(), self._most_held()
        under_way = len(self._under_way())
        room -= sum(item.future is not None for item in self._requests())
        place = 0
        while place < len(self._line) and (place == 0 or under_way < width):
            item = self._line[place]
            if isinstance(item, WindowSplit):
                risky = sum(r.cutter is not None and r.is_under_way for r in self._requests())
                may_cut = self._budget.allows(risky)
                if place > 0 and not may_cut:
                    return
                self._expand(place, item, may_cut=may_cut)
                continue
            # Rows of the open window may still move: nothing else may be under way.
            if place > 0 and (item.window.is_open or (room <= 0 and place >= width)):
                return
            if item.future is None:
                item.future = self.executor.submit(self.source.page, item.window, item.more, None)
                under_way, room = under_way + 1, room - 1
            place += 1


def _page_or_none(future: Future[TimedPage] | None) -> TimedPage | None:
    """Return the page of an answer, or None for a failure."""
    try:
        return None if future is None else future.result()
    except InterruptedRunError:
        raise
    except ApiError:
        return None
