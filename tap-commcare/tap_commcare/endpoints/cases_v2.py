"""Cases from Case API v2: pages and records.

The order is by indexing time, then id, so that a cursor can page through equal times. The filter
``indexed_on.gte`` makes the server's cursor return the first page again; only ``gt`` is used.
Source: https://commcare-hq.readthedocs.io/api/cases-v2.html (read November 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlencode, urlsplit

import msgspec
from tap_common.client import ApiClient, Response, same_origin
from tap_common.counting_converters import boolean, integer, json_object, text, timestamp
from tap_common.errors import RequestRejectedError, UnexpectedResponseError
from tap_common.json_decoder import JsonDecoder, KnownProperties
from tap_common.messages import Record
from tap_common.raw_converters import NULL
from tap_common.timestamps import from_millis, to_millis, to_rfc3339

from tap_commcare import client
from tap_commcare.pagination.pages import PageToken, TimedPage, Window
from tap_commcare.streams.cases import CasesStream

MAX_CASES = 5000
# What paging requires, whichever columns are selected.
ALWAYS_NEEDED = frozenset({"case_id", "domain", "indexed_on"})


class CaseRow(msgspec.Struct):
    """A case as the API returns it; its values are converted when it becomes a record."""

    case_id: str
    indexed_on: str
    domain: Any = None
    case_type: Any = None
    case_name: Any = None
    external_id: Any = None
    owner_id: Any = None
    date_opened: Any = None
    last_modified: Any = None
    server_last_modified: Any = None
    closed: Any = None
    date_closed: Any = None
    is_deprecated: Any = None
    properties: msgspec.Raw = NULL
    indices: msgspec.Raw = NULL


Row = TypeVar("Row")


class CasePage(msgspec.Struct, Generic[Row]):
    """A page of cases."""

    cases: list[Row]
    matching_records: Any = None
    next: Any = None


RESOURCE = CasesStream.path
DECODE: JsonDecoder[CasePage[CaseRow]] = JsonDecoder(
    CasePage[CaseRow],
    "a list cases, whose objects have case_id and indexed_on",
    KnownProperties(
        "cases", CaseRow, cast("Any", CasePage).__class_getitem__, lambda page: page.cases
    ),
)


# Columns that API v2 lacks.
ONLY_IN_V1 = dict.fromkeys(("opened_by", "closed_by", "user_id", "server_date_opened", "xform_ids"))


def case_record(row: CaseRow, domain: str) -> Record:
    """Return the record of a case."""
    return {
        "case_id": row.case_id,
        "domain": domain,
        "case_type": text(row.case_type),
        "case_name": text(row.case_name),
        "external_id": text(row.external_id),
        "owner_id": text(row.owner_id),
        "date_opened": timestamp(row.date_opened, ("cases", "date_opened")),
        "last_modified": timestamp(row.last_modified, ("cases", "last_modified")),
        "server_last_modified": timestamp(
            row.server_last_modified, ("cases", "server_last_modified")
        ),
        "indexed_on": timestamp(row.indexed_on, ("cases", "indexed_on")),
        "closed": boolean(row.closed, ("cases", "closed")),
        "date_closed": timestamp(row.date_closed, ("cases", "date_closed")),
        "properties": json_object(row.properties, ("cases", "properties")),
        "indices": json_object(row.indices, ("cases", "indices")),
        "is_deprecated": boolean(row.is_deprecated, ("cases", "is_deprecated")),
    } | ONLY_IN_V1


@dataclass
class CaseSource:
    """The list of cases of one domain.

    Args:
        client: The HTTP client.
        domain: The domain.
        page_size: How many rows a page is expected to have; a server may return fewer than asked.
        case_types: The wanted case types; empty means all.
        excluded: Returns the columns that the server does not have to send.
    """

    client: ApiClient
    domain: str
    page_size: int
    case_types: Sequence[str] = ()
    excluded: Callable[[], Sequence[str]] = tuple
    limit: int = field(init=False)
    _can_exclude: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        self.limit = self.page_size

    def page(
        self, window: Window, page_token: PageToken | None, limit: int | None = None
    ) -> TimedPage:
        """Return a page of cases."""
        excluded = list(self.excluded())
        if page_token is None:
            requested, response = self._first(
                window, min(limit or self.limit, self.limit), excluded
            )
        elif set(page_token.get("left_out", ())) <= set(excluded):
            first = self._address(window, self.limit)
            requested = client.stored_page(page_token["next"], first)
            response = self._get(requested)
        else:
            # The link excludes columns that are selected now.
            raise UnexpectedResponseError("the stored page belongs to other selected columns.")
        page = response.value
        following = client.next_path(page.next, requested)
        total = integer(page.matching_records) if page_token is None else None
        is_capped = following is not None and total is not None and total > len(page.cases) > 0
        if limit is None and (is_capped or len(page.cases) > self.page_size):
            self.page_size = len(page.cases)
        return TimedPage(
            rows=page.cases,
            ids=[row.case_id for row in page.cases],
            times=[self._time(row) for row in page.cases],
            total=total,
            next_page_token=_token(following, excluded),
            requested_at=response.requested_at,
        )

    def records(self, rows: Iterable[CaseRow]) -> Iterable[Record]:
        """Return the records of cases."""
        return [case_record(row, self.domain) for row in rows]

    def _first(
        self, window: Window, limit: int, excluded: Sequence[str]
    ) -> tuple[str, Response[CasePage[CaseRow]]]:
        """Return the first page of a window, and its address."""
        address = self._address(window, limit)
        if not excluded or not self._can_exclude:
            return address, self._get(address)
        lighter = f"{address}&{urlencode({'exclude': ','.join(excluded)})}"
        try:
            return lighter, self._get(lighter)
        except RequestRejectedError:
            # An older server does not know the parameter. If the reason is another, this fails too.
            response = self._get(address)
            self._can_exclude = False
            return address, response

    def _get(self, address: str) -> Response[CasePage[CaseRow]]:
        return self.client.get(same_origin(address, self.client.base_url), (), self.domain, DECODE)

    def _address(self, window: Window, limit: int) -> str:
        params = [("limit", str(limit))]
        if window.after is not None:
            params.append(("indexed_on.gt", _rfc3339(window.after)))
        if window.until is not None:
            params.append(("indexed_on.lte", _rfc3339(window.until)))
        params += [("case_type", case_type) for case_type in self.case_types]
        base = urlsplit(self.client.base_url).path
        return f"{base}{client.path(self.domain, RESOURCE)}?{urlencode(params)}"

    def _time(self, row: CaseRow) -> int:
        client.check_domain(row.domain, self.domain)
        if not row.case_id:
            raise UnexpectedResponseError("a case has no case_id.")
        try:
            return to_millis(row.indexed_on)
        except ValueError:
            raise UnexpectedResponseError("the indexed_on of a case is not a timestamp.") from None


def _token(following: str | None, excluded: Sequence[str]) -> PageToken | None:
    """Return the token of the next page; its link excludes the same columns."""
    if following is None:
        return None
    return {"next": following} | ({"left_out": list(excluded)} if excluded else {})


def _rfc3339(time: int) -> str:
    return to_rfc3339(from_millis(time))
