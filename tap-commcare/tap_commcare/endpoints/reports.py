"""Reports of a project space, read by offset.

A report has neither a stable key nor a guaranteed order, so it can only be read in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from tap_common.client import ApiClient, same_origin
from tap_common.counting_converters import integer
from tap_common.errors import UnexpectedResponseError
from tap_common.full_table import ListChangedError, ListPage, Position
from tap_common.json_decoder import JsonDecoder
from tap_common.messages import Record
from tap_common.wording import counted

from tap_commcare import client
from tap_commcare.streams.reports import ReportRowsStream

MAX_ROWS = 50


class ReportPage(msgspec.Struct):
    """A page of a report."""

    data: list[dict[str, Any]]
    total_records: Any = None
    next_page: Any = None


DECODE = JsonDecoder(ReportPage, "a list data of objects")


@dataclass
class ReportsSource:
    """Several reports, one after the other."""

    client: ApiClient
    domain: str
    reports: Sequence[str]
    page_size: int

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return a page of the report at a position; each row with its report and its index."""
        here = position or {"report": 0, "seen": 0}
        report = self.reports[here["report"]]
        first = self._first(report, min(limit or self.page_size, self.page_size))
        requested = client.stored_page(here["next"], first) if here.get("next") else first
        url = same_origin(requested, self.client.base_url)
        page = self.client.get(url, (), self.domain, DECODE).value
        total = integer(page.total_records)
        if here.get("next") and here.get("total") != total:
            raise ListChangedError
        seen = here["seen"] + len(page.data)
        following = client.next_path(page.next_page, requested)
        if following is None and total is not None and seen < total and limit is None:
            raise UnexpectedResponseError(
                f"report {report} ended after {seen} of {counted(total, 'row')}."
            )
        rows = [(report, here["seen"] + index, row) for index, row in enumerate(page.data)]
        if following is not None:
            known = {"report": here["report"], "seen": seen, "total": total}
            return ListPage(rows, known | {"next": following})
        if here["report"] + 1 < len(self.reports):
            return ListPage(rows, {"report": here["report"] + 1, "seen": 0})
        return ListPage(rows, None)

    def _first(self, report: str, limit: int) -> str:
        base = urlsplit(self.client.base_url).path
        path = client.path(self.domain, f"{ReportRowsStream.path}/{quote(report, safe='')}")
        return f"{base}{path}?{urlencode({'limit': limit})}"


def report_records(rows: Iterable[tuple[str, int, Any]], domain: str) -> Iterator[Record]:
    """Yield the records of report rows."""
    for report, index, row in rows:
        yield {"report_id": report, "position": index, "domain": domain, "data": row}
