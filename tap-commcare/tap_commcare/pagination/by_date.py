"""Lists that are paged by date: each page begins at the time at which the previous one ended.

An offset skips rows when a row before it moves; a date does not. When more rows than a page have
the same time, they are paged by a second date. If that is the same too, they are read by offset
until as many distinct rows as the server counts have come. Used for forms, and for cases of API v1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from requests.models import PreparedRequest
from tap_common.client import ApiClient, Response, same_origin
from tap_common.counting_converters import integer
from tap_common.errors import UnavailableError, UnexpectedResponseError
from tap_common.json_decoder import JsonDecoder
from tap_common.timestamps import from_millis, to_millis, to_rfc3339
from tap_common.wording import counted

from tap_commcare import client
from tap_commcare.pagination.pages import PageToken, TimedPage, Window
from tap_commcare.pagination.tastypie import Envelope

Row = TypeVar("Row")
Params = list[tuple[str, str]]

MAX_PASSES = 10


@dataclass(frozen=True)
class RowFields(Generic[Row]):
    """How to read the fields of a row by which a list is paged."""

    identity: Callable[[Row], str]
    time: Callable[[Row], str]
    second_time: Callable[[Row], str]
    domain: Callable[[Row], Any]


@dataclass
class ByDateSource(Generic[Row]):
    """A list that can be ordered and filtered by two dates.

    Args:
        client: The HTTP client.
        domain: The domain.
        resource: Such as ``form/v1``.
        decode: Decodes a page.
        fields: How to read the rows' fields.
        page_size: Rows per request; lowered to what the server returns.
        date: The field that orders the list, such as ``indexed_on``.
        second_date: A field that orders rows of the same time and does not change without an edit.
        params: Parameters of every request.
        filters: What the server may leave out. A server that does not know a filter returns
            nothing, so an empty first page is requested again without filters.
    """

    client: ApiClient
    domain: str
    resource: str
    decode: JsonDecoder[Envelope[Row]]
    fields: RowFields[Row]
    page_size: int
    date: str
    second_date: str
    params: Sequence[tuple[str, str]] = ()
    filters: Sequence[tuple[str, str]] = ()

    def page(
        self, window: Window, page_token: PageToken | None, limit: int | None = None
    ) -> TimedPage:
        """Return a page of a window.

        A token is ``{"from": time}``, to continue by time, or ``{"same": time}``, to continue
        among rows of the same time, by their second date from ``second`` on.
        """
        if page_token is not None and "same" in page_token:
            return self._equal_timestamps(window, int(page_token["same"]), page_token.get("second"))
        after = None if window.after is None else window.after + 1
        start = int(page_token["from"]) if page_token else after
        dates = _date_range(self.date, start, window.until)
        response = self._get(
            [("order_by", self.date), *dates], min(limit or self.page_size, self.page_size)
        )
        if self.filters and not response.value.objects and page_token is None and limit is None:
            self.filters = ()
            return self.page(window, page_token, limit)
        times = [self._time(row) for row in response.value.objects]
        token: PageToken | None = None
        if self._has_more(response.value, limit):
            if times[-1] < times[0]:
                raise UnexpectedResponseError(f"{self.resource} is not ordered by {self.date}.")
            # By time the next page would begin where this one did, and never end.
            is_stuck = times[-1] == (times[0] if page_token is None else start)
            token = {"same": times[-1]} if is_stuck else {"from": times[-1]}
        return self._page(response, times, _total(response.value), token)

    def _equal_timestamps(self, window: Window, time: int, second: int | None) -> TimedPage:
        """Return a page of the rows that have the same time, ordered by their second date."""
        same_time = _date_range(self.date, time, time)
        dates = _date_range(self.second_date, second, None)
        response = self._get([("order_by", self.second_date), *same_time, *dates], self.page_size)
        rows = response.value.objects
        times = [self._time(row) for row in rows]
        token: PageToken | None = {"from": time + 1}
        if window.until is not None and time >= window.until:
            token = None
        if self._has_more(response.value, None):
            last = to_millis(self.fields.second_time(rows[-1]))
            first = to_millis(self.fields.second_time(rows[0]))
            if last == first:
                rows = self._indistinguishable(
                    same_time + _date_range(self.second_date, last, last)
                )
                times = [self._time(row) for row in rows]
                last += 1
            token = {"same": time, "second": last}
        return self._page(response, times, None, token, rows)

    def _indistinguishable(self, dates: Params) -> list[Row]:
        """Return rows with two equal dates: read by offset, until all have been seen.

        Their order may differ between requests, so that one pass may miss some of them.
        """
        found: dict[str, Row] = {}
        counted: set[str] = set()
        total: int | None = None
        for _ in range(MAX_PASSES):
            known, offset = len(found), 0
            while True:
                params = [("order_by", self.second_date), *dates, ("offset", str(offset))]
                page = self._get(params, self.page_size).value
                if _total(page) != total:
                    # A row was added or removed, so others moved: earlier pages prove nothing.
                    counted, total = set(), _total(page)
                rows = {self.fields.identity(row): row for row in page.objects}
                found |= rows
                counted |= rows.keys()
                offset += len(page.objects)
                is_last = page.meta.next is None if total is None else offset >= total
                if not page.objects or is_last:
                    break
            # Without a total, a pass that finds nothing new is the best available proof.
            if len(found) == known if total is None else len(counted) >= total:
                return list(found.values())
        raise UnavailableError(
            f"{self.resource} of {self.domain} has more equal timestamps than can be paged.",
            "Set a larger page_size, or run again.",
        )

    def _get(self, params: Params, limit: int) -> Response[Envelope[Row]]:
        request = PreparedRequest()
        base = urlsplit(self.client.base_url).path
        path = base + client.path(self.domain, self.resource)
        query = [*self.params, *self.filters, *params, ("limit", str(limit))]
        request.prepare_url(same_origin(path, self.client.base_url), query)
        response = self.client.get(str(request.url), (), self.domain, self.decode)
        for row in response.value.objects:
            client.check_domain(self.fields.domain(row), self.domain)
        return response

    def _has_more(self, page: Envelope[Row], limit: int | None) -> bool:
        """Return whether the range has more rows than this page."""
        allowed = integer(page.meta.limit)
        if limit is None and allowed is not None and 0 < allowed < self.page_size:
            self.page_size = allowed
        total = _total(page)
        has_more = page.meta.next is not None if total is None else total > len(page.objects)
        if has_more and not page.objects:
            rows = "more rows" if total is None else counted(total, "row")
            raise UnexpectedResponseError(
                f"{self.resource} of {self.domain} counts {rows} and returns none."
            )
        return has_more

    def _time(self, row: Row) -> int:
        try:
            return to_millis(self.fields.time(row))
        except ValueError:
            raise UnexpectedResponseError(f"the {self.date} of a row is not a timestamp.") from None

    def _page(
        self,
        response: Response[Envelope[Row]],
        times: Sequence[int],
        total: int | None,
        next_page_token: PageToken | None,
        rows: Sequence[Row] | None = None,
    ) -> TimedPage:
        rows = response.value.objects if rows is None else rows
        return TimedPage(
            rows=rows,
            ids=[self.fields.identity(row) for row in rows],
            times=times,
            total=total,
            next_page_token=next_page_token,
            requested_at=response.requested_at,
        )


def _total(page: Envelope[Row]) -> int | None:
    """Return how many rows a range has; None if the server says fewer than the page has."""
    total = page.total
    return None if total is None or total < len(page.objects) else total


def _date_range(field: str, start: int | None, end: int | None) -> Params:
    """Return the filter for times from ``start`` to ``end``, both included.

    The API accepts dates with fractions, but none with both seconds and a zone. The end includes
    all microseconds of its millisecond, for servers that compare those.
    """
    params = []
    if start is not None:
        params.append((f"{field}_start", to_rfc3339(from_millis(start))[:-1]))
    if end is not None:
        params.append((f"{field}_end", to_rfc3339(from_millis(end))[:-4] + "999"))
    return params
