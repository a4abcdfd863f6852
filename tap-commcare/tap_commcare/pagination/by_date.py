"""Lists that are read by date: each page begins where the one before ended, never by offset.

An offset skips rows when a row before it moves; a date does not. Rows with the very same stamp that
are more than a page are read by a second date, and if that is the same too, together until all
that the server counts have come. Used for forms, and for cases of API v1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from requests.models import PreparedRequest
from tap_common import timestamps
from tap_common.client import ApiClient, Response, same_origin
from tap_common.errors import UnavailableError, UnexpectedResponseError
from tap_common.json_decoder import JsonDecoder

from tap_commcare import client
from tap_commcare.pagination.pages import PageToken, TimedPage
from tap_commcare.pagination.tastypie import Envelope
from tap_commcare.pagination.windows import Window
from tap_commcare.values import integer

Row = TypeVar("Row")
Params = list[tuple[str, str]]

PASSES = 10


@dataclass(frozen=True)
class RowFields(Generic[Row]):
    """What must be known of a row to page through a list."""

    identity: Callable[[Row], str]
    stamp: Callable[[Row], str]
    second_stamp: Callable[[Row], str]
    domain: Callable[[Row], Any]


@dataclass
class ByDateSource(Generic[Row]):
    """A list that can be ordered and filtered by dates.

    Args:
        date: The field that orders the list, such as ``indexed_on``.
        second_date: A field that orders rows of one stamp and does not change by itself.
        filters: What the server may leave out. A filter that it does not understand matches
            nothing, so one without any row is tried again without.
    """

    api: ApiClient
    domain: str
    resource: str
    read: JsonDecoder[Envelope[Row]]
    facts: RowFields[Row]
    page_size: int
    date: str
    second_date: str
    params: Sequence[tuple[str, str]] = ()
    filters: Sequence[tuple[str, str]] = ()

    def page(self, window: Window, more: PageToken | None, limit: int | None = None) -> TimedPage:
        """Return a page of a window."""
        if more is not None and "same" in more:
            return self._equal_timestamps(window, int(more["same"]), more.get("second"))
        after = None if window.after is None else window.after + 1
        start = int(more["from"]) if more else after
        dates = _range(self.date, start, window.until)
        answer = self._get(
            [("order_by", self.date), *dates], min(limit or self.page_size, self.page_size)
        )
        if self.filters and not answer.value.objects and more is None and limit is None:
            self.filters = ()
            return self.page(window, more, limit)
        times = [self._stamp(row) for row in answer.value.objects]
        following = None
        if self._is_cut(answer.value, limit):
            if times[-1] < times[0]:
                raise UnexpectedResponseError(
                    f"{self.resource} came in another order than {self.date}."
                )
            is_crowd = times[-1] == (times[0] if more is None else start)
            following = {"same": times[-1]} if is_crowd else {"from": times[-1]}
        return self._page(answer, times, _total(answer.value), following)

    def _equal_timestamps(self, window: Window, stamp: int, second: int | None) -> TimedPage:
        """Return a page of the rows that all bear one stamp, by their second date."""
        fixed = _range(self.date, stamp, stamp)
        dates = _range(self.second_date, second, None)
        answer = self._get([("order_by", self.second_date), *fixed, *dates], self.page_size)
        rows = answer.value.objects
        times = [self._stamp(row) for row in rows]
        following: PageToken | None = {"from": stamp + 1}
        if window.until is not None and stamp >= window.until:
            following = None
        if self._is_cut(answer.value, None):
            last = timestamps.stamp(self.facts.second_stamp(rows[-1]))
            first = timestamps.stamp(self.facts.second_stamp(rows[0]))
            if last == first:
                rows = self._all_of(fixed + _range(self.second_date, last, last))
                times = [self._stamp(row) for row in rows]
                last += 1
            following = {"same": stamp, "second": last}
        return self._page(answer, times, None, following, rows)

    def _all_of(self, dates: Params) -> list[Row]:
        """Return rows that no date tells apart: pages by offset, until all have come.

        Their order may differ from one request to the next, so a pass may miss some.
        """
        found: dict[str, Row] = {}
        counted: set[str] = set()
        total: int | None = None
        for _ in range(PASSES):
            known, offset = len(found), 0
            while True:
                params = [("order_by", self.second_date), *dates, ("offset", str(offset))]
                page = self._get(params, self.page_size).value
                if _total(page) != total:
                    # A row left or came, and the others moved up: what was seen proves nothing.
                    counted, total = set(), _total(page)
                fresh = {self.facts.identity(row): row for row in page.objects}
                found |= fresh
                counted |= fresh.keys()
                offset += len(page.objects)
                is_last = page.meta.next is None if total is None else offset >= total
                if not page.objects or is_last:
                    break
            # Without a total, a pass that finds nothing new has to do.
            if len(found) == known if total is None else len(counted) >= total:
                return list(found.values())
        raise UnavailableError(
            f"{self.resource} of {self.domain} has more equal stamps than can be told apart.",
            "Set a larger page_size, or run again.",
        )

    def _get(self, params: Params, limit: int) -> Response[Envelope[Row]]:
        request = PreparedRequest()
        base = urlsplit(self.api.base_url).path
        path = base + client.path(self.domain, self.resource)
        query = [*self.params, *self.filters, *params, ("limit", str(limit))]
        request.prepare_url(same_origin(path, self.api.base_url), query)
        answer = self.api.get(str(request.url), (), self.domain, self.read)
        for row in answer.value.objects:
            client.check_domain(self.facts.domain(row), self.domain)
        return answer

    def _is_cut(self, page: Envelope[Row], limit: int | None) -> bool:
        """Tell whether the range holds more rows than this page."""
        allowed = integer(page.meta.limit)
        if limit is None and allowed is not None and 0 < allowed < self.page_size:
            self.page_size = allowed
        total = _total(page)
        is_cut = page.meta.next is not None if total is None else total > len(page.objects)
        if is_cut and not page.objects:
            raise UnexpectedResponseError(
                f"{self.resource} of {self.domain} counts {page.total} rows and shows none."
            )
        return is_cut

    def _stamp(self, row: Row) -> int:
        try:
            return timestamps.stamp(self.facts.stamp(row))
        except ValueError:
            raise UnexpectedResponseError(
                f"a row has a {self.date} that is no timestamp."
            ) from None

    def _page(
        self,
        answer: Response[Envelope[Row]],
        times: Sequence[int],
        total: int | None,
        more: PageToken | None,
        rows: Sequence[Row] | None = None,
    ) -> TimedPage:
        known = answer.value.objects if rows is None else rows
        return TimedPage(
            rows=known,
            ids=[self.facts.identity(row) for row in known],
            times=times,
            total=total,
            more=more,
            asked_at=answer.asked_at,
        )


def _total(page: Envelope[Row]) -> int | None:
    """Return how many rows a range holds; None if that is less than what the page shows."""
    total = page.total
    return None if total is None or total < len(page.objects) else total


def _range(field: str, start: int | None, end: int | None) -> Params:
    """Return the filter for stamps from ``start`` to ``end``, both included.

    The API takes dates with fractions, but none with seconds and a zone. The end holds all
    microseconds of its millisecond, for servers that compare those.
    """
    params = []
    if start is not None:
        params.append((f"{field}_start", timestamps.spell(timestamps.moment(start))[:-1]))
    if end is not None:
        params.append((f"{field}_end", timestamps.spell(timestamps.moment(end))[:-4] + "999"))
    return params
