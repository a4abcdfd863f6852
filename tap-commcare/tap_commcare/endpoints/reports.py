"""Reports of a project space: read by offset.

A report has no stable key and no guaranteed order, so it is read as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from tap_common.client import ApiClient, same_origin
from tap_common.errors import UnexpectedResponseError
from tap_common.full_table import ListChangedError, ListPage, Position
from tap_common.json_decoder import JsonDecoder
from tap_common.messages import Record

from tap_commcare import client
from tap_commcare.values import integer

MOST_REPORT_ROWS = 50


class ReportPage(msgspec.Struct):
    """A page of a report."""

    data: list[dict[str, Any]]
    total_records: Any = None
    next_page: Any = None


REPORT = JsonDecoder(ReportPage, "a list data of objects")


@dataclass
class ReportsSource:
    """Several reports, one after the other."""

    api: ApiClient
    domain: str
    reports: Sequence[str]
    page_size: int

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return a page of the report at a position; rows know their report and place."""
        here = position or {"report": 0, "seen": 0}
        report = self.reports[here["report"]]
        first = self._first(report, min(limit or self.page_size, self.page_size))
        asked = client.place(here["next"], first) if here.get("next") else first
        url = same_origin(asked, self.api.base_url)
        page = self.api.get(url, (), self.domain, REPORT).value
        total = integer(page.total_records)
        if here.get("next") and here.get("total") != total:
            raise ListChangedError
        seen = here["seen"] + len(page.data)
        following = client.next_path(page.next_page, asked)
        if following is None and total is not None and seen < total and limit is None:
            raise UnexpectedResponseError(f"report {report} ended after {seen} of {total} rows.")
        rows = [(report, here["seen"] + place, row) for place, row in enumerate(page.data)]
        if following is not None:
            known = {"report": here["report"], "seen": seen, "total": total}
            return ListPage(rows, known | {"next": following})
        if here["report"] + 1 < len(self.reports):
            return ListPage(rows, {"report": here["report"] + 1, "seen": 0})
        return ListPage(rows, None)

    def _first(self, report: str, limit: int) -> str:
        base = urlsplit(self.api.base_url).path
        path = client.path(self.domain, f"configurablereportdata/v1/{quote(report, safe='')}")
        return f"{base}{path}?{urlencode({'limit': limit})}"


def report_records(rows: Iterable[tuple[str, int, Any]], domain: str) -> Iterator[Record]:
    """Yield the records of report rows."""
    for report, place, row in rows:
        yield {"report_id": report, "position": place, "domain": domain, "data": row}
