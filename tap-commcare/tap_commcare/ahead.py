"""Reads windows of time ahead, several at once, and hands their pages out strictly in order.

Order keeps the state simple: everything before the last page handed out is done. Rows that are
edited meanwhile move behind the last row. So windows are cut only up to a stamp that has rows after
it, whatever the clock says, and what lies behind it is read last and alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace

from dimagi_api import timestamps
from dimagi_api.errors import ApiError, InterruptedRunError, RejectedError

from tap_commcare.line import Cut, EndSearch, Request, only, seen_in, without
from tap_commcare.positions import Start
from tap_commcare.source import TimedPage, TimedSource
from tap_commcare.windows import Cutter, Sizes, Window, gap_of, guesses

FEWEST_GUESSES = 3
MOST_GUESSES = 6
# Pages that came before their turn are held back: so many rows, and so many pages per request.
ROWS_HELD = 8_000
PAGES_HELD = 8


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
    _search: EndSearch | None = None

    def pages(self, start: Start) -> Iterator[tuple[Window, TimedPage]]:
        """Yield each page with the window that it belongs to, in order of time."""
        self._line = deque([Request(start.window, start.more, is_resumed=start.more is not None)])
        if start.window.until is not None:
            self._line.append(Request(Window(start.window.until, None)))
        try:
            while self._line:
                head = self._line[0]
                if isinstance(head, Cut):
                    self._expand(0, head)
                    continue
                page = self._result(head)
                if page is None:
                    self._read_alone(head)
                    continue
                self._follow(0, head, page)
                self._line.popleft()
                self._send_ahead()
                yield head.window, without(page, head.seen)
        finally:
            self._cancel()

    def _expand(self, place: int, cut: Cut) -> None:
        """Put the next window of a cut before it; take the cut away after its last."""
        request = cut.next_request()
        if request is None:
            del self._line[place]
        else:
            self._line.insert(place, request)

    def _result(self, request: Request) -> TimedPage | None:
        """Return a page, or None if the server does not understand the end of its window."""
        try:
            page = self._page(request)
        except RejectedError:
            if request.cutter is None:
                raise
            return None
        return page if request.holds(page) else None

    def _page(self, request: Request) -> TimedPage:
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
        if self._search is not None:
            futures.append(self._search.future)
        return [future for future in futures if future is not None and not future.done()]

    def _requests(self) -> list[Request]:
        return [item for item in self._line if isinstance(item, Request)]

    def _read_alone(self, request: Request) -> None:
        """Read what is left without windows, one page after the other."""
        self._cancel()
        self.executor = None
        window = Window(request.window.after, None)
        self._line = deque([Request(window, request.more, seen=request.seen)])

    def _cancel(self) -> None:
        for future in self._under_way():
            future.cancel()
        self._search = None

    def _settle(self) -> None:
        """Go on behind every page that has come, before its turn."""
        for item in self._requests():
            if item.is_followed or item.window.is_open or not item.has_come:
                continue
            page = _page_or_none(item.future)
            if page is None or not item.holds(page):
                # A failure is met when it is its turn; what comes behind it has time.
                break
            self._follow(self._line.index(item), item, page)
        self._settle_search()

    def _follow(self, place: int, request: Request, page: TimedPage) -> None:
        """Put what is left of a window behind its page in the line."""
        if request.is_followed:
            return
        request.is_followed = True
        request.count(page)
        if page.more is None:
            return
        if request.is_resumed and page.rows and page.stamps[0] < page.stamps[-1]:
            # Past the crowd: a request by time tells again how many rows are left.
            window = Window(page.stamps[-1] - 1, request.window.until)
            self._insert(place + 1, [Request(window, seen=seen_in(page))])
            return
        following = request.next_page(page)
        if following.left is None or not self._is_worth_cutting(request, page, following.left):
            self._insert(place + 1, [following])
        elif request.window.until is None:
            self._cut_open(following, page, following.left)
        else:
            self._insert(place + 1, [self._cut(page, request.window.until, following.left, 0)])

    def _insert(self, place: int, items: Sequence[Request | Cut]) -> None:
        for item in reversed(items):
            self._line.insert(place, item)

    def _is_worth_cutting(self, request: Request, page: TimedPage, left: int) -> bool:
        """Tell whether what follows a page comes sooner in windows than page by page."""
        if self.executor is None or self.width() == 1 or left <= self.source.page_size:
            return False
        # A page of one stamp is a crowd that only its own order can be followed through.
        if not page.rows or page.stamps[-1] == page.stamps[0]:
            return False
        return request.window.is_open or self._is_idle()

    def _is_idle(self) -> bool:
        """Tell whether there is less in line than could be under way."""
        kept = sum(item.future is not None for item in self._requests())
        if kept >= self._most_held():
            return True
        if any(isinstance(item, Cut) for item in self._line):
            return False
        coming = [r for r in self._requests() if not r.window.is_open and not r.has_come]
        return len(coming) + 1 < self.width()

    def _most_held(self) -> int:
        width = self.width()
        return max(width, min(ROWS_HELD // self.source.page_size, PAGES_HELD * width))

    def _sizes(self) -> Sizes:
        width = self.width()
        return Sizes(self.source.page_size, width, max(self._most_held() // width, 1))

    def _cut(self, page: TimedPage, end: int, rows: int, rows_later: int) -> Cut:
        """Cut what follows a page until ``end``, which holds so many rows."""
        gap = gap_of(page.stamps)
        cutter = Cutter(page.stamps[-1] - 1, end, rows, rows_later, self._sizes(), gap)
        return Cut(cutter, seen_in(page))

    def _cut_open(self, following: Request, page: TimedPage, rows: int) -> None:
        """Cut what follows a page until a stamp with rows after it; those are read last.

        The next page, and pages from places that are guessed, are asked for at the same time. They
        tell how many rows lie between them, and are a part of what is read.
        """
        end = timestamps.milliseconds(page.asked_at)
        if following.quiet_after is not None:
            end = min(end, following.quiet_after)
        places = self._guesses(page, end, rows)
        following.future = self._submit(following)
        asked = [self._submit(Request(Window(place, None))) for place in places]
        self._insert(1, [following])
        second = _page_or_none(following.future)
        failed = [future for future in asked if _page_or_none(future) is None]
        if failed:
            # Met in its turn: the page that came before it is not lost.
            following.future = failed[0]
            return
        found = [(place, future.result()) for place, future in zip(places, asked, strict=True)]
        empty = [place for place, found_page in found if not found_page.rows]
        following.quiet_after = end = min([end, *empty])
        if second is None or second.more is None or not second.rows:
            return
        knots = [(place, p) for place, p in found if p.rows and place > second.stamps[-1]]
        if knots:
            following.is_followed = True
            self._insert(2, self._between(second, rows, knots, end))

    def _between(
        self, page: TimedPage, rows: int, knots: Sequence[tuple[int, TimedPage]], end: int
    ) -> list[Request | Cut]:
        """Return what lies between pages whose places are known, with these pages themselves."""
        items: list[Request | Cut] = []
        left = rows - len(page.rows)
        last, after = 0, left
        for number, (place, knot) in enumerate(knots):
            is_last = number + 1 == len(knots)
            if not is_last and knot.stamps[0] > knots[number + 1][0]:
                continue
            last, after = place, knot.total or len(knot.rows)
            if page.stamps[-1] < place:
                items.append(self._cut(page, place, max(left - after, 1), after))
            if not is_last:
                window, page = _known_part(place, knot, knots[number + 1][0])
                items.append(Request(window, future=_answered(page), is_followed=True))
                left = after - len(page.rows)
        items.append(Request(Window(last, None), quiet_after=end))
        self._search = EndSearch(last, after, end)
        return items

    def _guesses(self, page: TimedPage, end: int, rows: int) -> list[int]:
        if end <= page.stamps[-1]:
            return []
        count = min(max(self.width() - 1, FEWEST_GUESSES), MOST_GUESSES)
        return guesses(page.stamps, end, rows, self.source.page_size, count)

    def _submit(self, request: Request, limit: int | None = None) -> Future[TimedPage]:
        if self.executor is None:
            raise AssertionError("nothing is read ahead without threads")
        return self.executor.submit(self.source.page, request.window, request.more, limit)

    def _send_ahead(self) -> None:
        """Send what stands first in line, as long as requests are free and pages can be held."""
        if self.executor is None:
            return
        width, room = self.width(), self._most_held()
        free = width - len(self._under_way()) - self._search_on()
        room -= sum(item.future is not None for item in self._requests())
        place = 0
        while place < len(self._line) and (place == 0 or free > 0):
            item = self._line[place]
            if isinstance(item, Cut):
                self._expand(place, item)
                continue
            # Rows of the open window may still move: nothing else may be under way.
            if place > 0 and (item.window.is_open or (room <= 0 and place >= width)):
                return
            if item.future is None:
                item.future = self._submit(item)
                free, room = free - 1, room - 1
            place += 1

    def _search_on(self) -> int:
        """Look for a later end of what can be cut; return how many requests that takes."""
        search = self._search
        if search is None or search.future is not None or len(self._line) < 2:
            return 0
        place = search.next_place(self.source.page_size)
        if place is None:
            self._search = None
            return 0
        search.future = self._submit(Request(Window(place, None)), 1)
        return 1

    def _settle_search(self) -> None:
        """Move the end of what can be cut to where the search has found rows behind."""
        search = self._search
        if search is None or search.future is None or not search.future.done():
            return
        probe, search.future = _page_or_none(search.future), None
        tail = self._line[-1]
        if probe is None or not isinstance(tail, Request) or tail.future is not None:
            self._search = None
            return
        search.was_empty = not probe.rows
        if search.was_empty:
            search.high = tail.quiet_after = search.place
            return
        after = probe.total or 1
        rows = max(search.rows - after, 1)
        cutter = Cutter(search.low, search.place, rows, after, self._sizes())
        self._line[-1] = Cut(cutter)
        self._line.append(replace(tail, window=Window(search.place, None)))
        search.low, search.rows = search.place, after


def _page_or_none(future: Future[TimedPage] | None) -> TimedPage | None:
    """Return the page of an answer, or None for a failure."""
    try:
        return None if future is None else future.result()
    except InterruptedRunError:
        raise
    except ApiError:
        return None


def _known_part(place: int, page: TimedPage, end: int) -> tuple[Window, TimedPage]:
    """Return a page that begins behind a place, as far as ``end``, and the window that it fills.

    Its own link would lead beyond the end, so the next page is found by time.
    """
    part = only(page, [index for index, stamp in enumerate(page.stamps) if stamp <= end])
    is_whole = len(part.rows) == len(page.rows)
    return Window(place, part.stamps[-1] - 1 if is_whole else end), replace(part, more=None)


def _answered(page: TimedPage) -> Future[TimedPage]:
    """Return a page as an answer that has come."""
    future: Future[TimedPage] = Future()
    future.set_result(page)
    return future
