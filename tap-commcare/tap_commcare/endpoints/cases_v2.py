"""Cases by Case API v2: how its pages are read and its objects become records.

Order is by indexing time, then id, so a cursor passes crowds of equal stamps. The filter
``indexed_on.gte`` collides with the server's own cursor; only ``gt`` is used.
Source: https://commcare-hq.readthedocs.io/api/cases-v2.html (read November 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlencode, urlsplit

import msgspec
from tap_common import timestamps
from tap_common.client import ApiClient, Response, same_origin
from tap_common.errors import RequestRejectedError, UnexpectedResponseError
from tap_common.json_decoder import JsonDecoder, KnownProperties
from tap_common.messages import Record

from tap_commcare import client
from tap_commcare.pagination.pages import PageToken, TimedPage
from tap_commcare.pagination.windows import Window
from tap_commcare.values import NULL, flag, integer, json_object, moment, text

MOST_CASES = 5000
# What a page is read by, whoever wants it.
NEEDED = frozenset({"case_id", "domain", "indexed_on"})


class CaseRow(msgspec.Struct):
    """A case as it comes; single values are checked when they become a record."""

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


BODY: JsonDecoder[CasePage[CaseRow]] = JsonDecoder(
    CasePage[CaseRow],
    "a list cases, whose objects have case_id and indexed_on",
    KnownProperties(
        "cases", CaseRow, cast("Any", CasePage).__class_getitem__, lambda page: page.cases
    ),
)


# API v2 has none of these.
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
        "date_opened": moment(row.date_opened, ("cases", "date_opened")),
        "last_modified": moment(row.last_modified, ("cases", "last_modified")),
        "server_last_modified": moment(row.server_last_modified, ("cases", "server_last_modified")),
        "indexed_on": moment(row.indexed_on, ("cases", "indexed_on")),
        "closed": flag(row.closed, ("cases", "closed")),
        "date_closed": moment(row.date_closed, ("cases", "date_closed")),
        "properties": json_object(row.properties, ("cases", "properties")),
        "indices": json_object(row.indices, ("cases", "indices")),
        "is_deprecated": flag(row.is_deprecated, ("cases", "is_deprecated")),
    } | ONLY_IN_V1


@dataclass
class CaseSource:
    """The list of cases of one domain.

    Args:
        page_size: What a page is expected to hold: a server may give less than it is asked for.
        left_out: Returns the columns that nobody wants, so that the server need not send them.
    """

    api: ApiClient
    domain: str
    page_size: int
    case_types: Sequence[str] = ()
    left_out: Callable[[], Sequence[str]] = tuple
    most: int = field(init=False)
    _can_leave_out: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        self.most = self.page_size

    def page(self, window: Window, more: PageToken | None, limit: int | None = None) -> TimedPage:
        """Return a page of cases."""
        left_out = list(self.left_out())
        if more is None:
            asked, answer = self._first(window, min(limit or self.most, self.most), left_out)
        elif set(more.get("left_out", ())) <= set(left_out):
            asked = client.place(more["next"], self._address(window, self.most))
            answer = self._get(asked)
        else:
            raise UnexpectedResponseError("its place belongs to another selection of columns.")
        page = answer.value
        following = client.next_path(page.next, asked)
        total = integer(page.matching_records) if more is None else None
        is_capped = following is not None and total is not None and total > len(page.cases) > 0
        if limit is None and (is_capped or len(page.cases) > self.page_size):
            self.page_size = len(page.cases)
        return TimedPage(
            rows=page.cases,
            ids=[row.case_id for row in page.cases],
            times=[self._stamp(row) for row in page.cases],
            total=total,
            more=_more(following, left_out),
            asked_at=answer.asked_at,
        )

    def records(self, rows: Iterable[CaseRow]) -> Iterable[Record]:
        """Return the records of cases."""
        return [case_record(row, self.domain) for row in rows]

    def _first(
        self, window: Window, limit: int, left_out: Sequence[str]
    ) -> tuple[str, Response[CasePage[CaseRow]]]:
        """Return the first page of a window, and its address."""
        address = self._address(window, limit)
        if not left_out or not self._can_leave_out:
            return address, self._get(address)
        lighter = f"{address}&{urlencode({'exclude': ','.join(left_out)})}"
        try:
            return lighter, self._get(lighter)
        except RequestRejectedError:
            # An older server, or it is something else that it refuses.
            answer = self._get(address)
            self._can_leave_out = False
            return address, answer

    def _get(self, asked: str) -> Response[CasePage[CaseRow]]:
        return self.api.get(same_origin(asked, self.api.base_url), (), self.domain, BODY)

    def _address(self, window: Window, limit: int) -> str:
        params = [("limit", str(limit))]
        if window.after is not None:
            params.append(("indexed_on.gt", _spelled(window.after)))
        if window.until is not None:
            params.append(("indexed_on.lte", _spelled(window.until)))
        params += [("case_type", case_type) for case_type in self.case_types]
        base = urlsplit(self.api.base_url).path
        return f"{base}{client.path(self.domain, 'case/v2')}?{urlencode(params)}"

    def _stamp(self, row: CaseRow) -> int:
        client.check_domain(row.domain, self.domain)
        if not row.case_id:
            raise UnexpectedResponseError("a case has no case_id.")
        try:
            return timestamps.stamp(row.indexed_on)
        except ValueError:
            raise UnexpectedResponseError(
                "a case has an indexed_on that is no timestamp."
            ) from None


def _more(following: str | None, left_out: Sequence[str]) -> PageToken | None:
    """Return how to go on; a link goes on leaving out what it did."""
    if following is None:
        return None
    return {"next": following} | ({"left_out": list(left_out)} if left_out else {})


def _spelled(stamp: int) -> str:
    return timestamps.spell(timestamps.moment(stamp))
