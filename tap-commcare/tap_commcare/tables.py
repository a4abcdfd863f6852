"""Tables of a project space's own: reports by offset, data sources by cursor.

A report has no stable key and no order of its own, so it is read as it stands. A data source is
read in the order in which its rows were written, and goes on where the last read ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec
from dimagi_api import timestamps
from dimagi_api.bodies import Body
from dimagi_api.bookmarks import Entry
from dimagi_api.errors import ShapeError
from dimagi_api.full_table import (
    UNUSABLE,
    ListChangedError,
    ListPage,
    Position,
    Versions,
    finish_versions,
    gives_up_place,
)
from dimagi_api.http import Api, same_origin
from dimagi_api.messages import Record
from dimagi_api.stream import ApiStream
from dimagi_api.sync import Run

from tap_commcare import hq
from tap_commcare.values import integer, moment, text

MOST_REPORT_ROWS = 50
MOST_UCR_ROWS = 10_000


class ReportPage(msgspec.Struct):
    """A page of a report."""

    data: list[dict[str, Any]]
    total_records: Any = None
    next_page: Any = None


class UcrMeta(msgspec.Struct):
    """Where the next page of a data source is."""

    next: Any = None


class UcrTable(msgspec.Struct):
    """Rows of a data source as releases of 2023 wrote them: names once, and values in order."""

    columns: list[str]
    rows: list[list[Any]]


class UcrPage(msgspec.Struct):
    """A page of a data source."""

    objects: list[dict[str, Any]] | UcrTable
    meta: UcrMeta

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return its rows by the names of their columns."""
        if isinstance(self.objects, list):
            return self.objects
        names = self.objects.columns
        if any(len(row) != len(names) for row in self.objects.rows):
            raise ShapeError("a row of a data source has not as many values as columns.")
        return [dict(zip(names, row, strict=True)) for row in self.objects.rows]


REPORT = Body(ReportPage, "a list data of objects")
UCR = Body(UcrPage, "meta and a list objects of objects")


@dataclass
class ReportsSource:
    """Several reports, one after the other."""

    api: Api
    domain: str
    reports: Sequence[str]
    page_size: int

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return a page of the report at a position; rows know their report and place."""
        here = position or {"report": 0, "seen": 0}
        report = self.reports[here["report"]]
        asked = here.get("next") or self._first(
            report, min(limit or self.page_size, self.page_size)
        )
        url = same_origin(asked, self.api.base_url)
        page = self.api.get(url, (), self.domain, REPORT).value
        total = integer(page.total_records)
        if here.get("next") and here.get("total") != total:
            raise ListChangedError
        seen = here["seen"] + len(page.data)
        following = hq.next_path(page.next_page, asked)
        if following is None and total is not None and seen < total and limit is None:
            raise ShapeError(f"report {report} ended after {seen} of {total} rows.")
        rows = [(report, here["seen"] + place, row) for place, row in enumerate(page.data)]
        if following is not None:
            known = {"report": here["report"], "seen": seen, "total": total}
            return ListPage(rows, known | {"next": following})
        if here["report"] + 1 < len(self.reports):
            return ListPage(rows, {"report": here["report"] + 1, "seen": 0})
        return ListPage(rows, None)

    def _first(self, report: str, limit: int) -> str:
        base = urlsplit(self.api.base_url).path
        path = hq.path(self.domain, f"configurablereportdata/v1/{quote(report, safe='')}")
        return f"{base}{path}?{urlencode({'limit': limit})}"


def report_records(rows: Iterable[tuple[str, int, Any]], domain: str) -> Iterator[Record]:
    """Yield the records of report rows."""
    for report, place, row in rows:
        yield {"report_id": report, "position": place, "domain": domain, "data": row}


def ucr_records(rows: Iterable[Mapping[str, Any]], data_source: str, domain: str) -> list[Record]:
    """Return the records of a data source's rows."""
    found = []
    for row in rows:
        doc_id = text(row.get("doc_id") or row.get("id"))
        inserted_at = moment(row.get("inserted_at"))
        if doc_id is None or inserted_at is None:
            raise ShapeError("a row of a data source has no doc_id or inserted_at.")
        record: Record = {
            "data_source_id": data_source,
            "doc_id": doc_id,
            "repeat_iteration": integer(row.get("repeat_iteration")) or 0,
            "domain": domain,
            "inserted_at": inserted_at,
            "data": dict(row),
        }
        found.append(record)
    return found


@dataclass
class UcrReading:
    """Reads data sources by cursor.

    Of each, two cursors are remembered: where an interrupted read goes on, and an older one where
    the next run begins, so far back that a row that became visible late is read, too.
    """

    api: Api
    domain: str
    stream: ApiStream
    data_sources: Sequence[str]
    page_size: int
    overlap: int
    versions: Versions
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        self.streams = [self.stream]

    def sample(self, limit: int) -> Mapping[str, Iterable[Record]]:
        """Return a few records of the first data source."""
        source = self.data_sources[0]
        rows, _ = self._page(self._first(source, min(limit, self.page_size)))
        return {self.stream.name: ucr_records(rows, source, self.domain)}

    def run(self, run: Run) -> None:
        """Read what was written to each data source since the last run."""
        entry = run.bookmarks.read(self.stream.name, self.domain)
        version = None
        if self.stream.reads_in_full:
            version = self.versions.of(self.stream)
            entry = self.versions.entry(self.stream, self.domain)
            entry["version"] = version
        entry = timestamps.without_misspelt(entry, ("replication_key_value",))
        run.begin(self.stream, version)
        places = entry["data_sources"] = _places(entry.get("data_sources"))
        for source in self.data_sources:
            place = places.setdefault(source, {})
            self._read(run, source, place, entry)
        if version is not None:
            kept = {name: value for name, value in entry.items() if name != "version"}
            finish_versions(run, self.domain, {self.stream: kept}, self.versions)

    def _read(self, run: Run, source: str, place: Entry, entry: Entry) -> None:
        first = self._first(source, self.page_size)
        asked: str | None = place.get("going_on") or place.get("begin") or first
        trail: list[tuple[int, str]] = []
        while asked is not None:
            try:
                rows, following = self._page(asked)
            except UNUSABLE as error:
                is_resumed = not trail and asked != first
                if is_resumed and gives_up_place(error, self.stream.name, self.domain):
                    asked = first
                    continue
                raise
            records = ucr_records(rows, source, self.domain)
            here = asked
            asked = following if rows else None
            if records:
                trail.append((timestamps.stamp(records[0]["inserted_at"]), here))
                self._advance(records, place, trail, entry)
            if asked is None:
                place.pop("going_on", None)
            else:
                place["going_on"] = asked
            run.write_page(
                self,
                [(self.stream, records)],
                lambda: run.bookmarks.write(self.stream.name, self.domain, entry),
            )

    def _advance(
        self, records: Sequence[Record], place: Entry, trail: list[tuple[int, str]], entry: Entry
    ) -> None:
        """Move the bookmark, and the place where the next run begins."""
        latest = records[-1]["inserted_at"]
        while len(trail) > 1 and trail[1][0] < timestamps.stamp(latest) - self.overlap:
            del trail[0]
        place["begin"] = trail[0][1]
        known = entry.get("replication_key_value")
        values = [latest, known] if known else [latest]
        entry["replication_key"] = "inserted_at"
        entry["replication_key_value"] = max(values, key=timestamps.parse)

    def _page(self, asked: str) -> tuple[list[dict[str, Any]], str | None]:
        url = same_origin(asked, self.api.base_url)
        page = self.api.get(url, (), self.domain, UCR).value
        return page.rows, _with_source(hq.next_path(page.meta.next, asked), asked)

    def _first(self, source: str, limit: int) -> str:
        query = urlencode({"data_source_id": source, "limit": limit})
        return f"{urlsplit(self.api.base_url).path}{hq.path(self.domain, 'ucr/v1')}?{query}"


def _places(held: object) -> dict[str, Entry]:
    """Return the places in the data sources that a state holds, without what is no address."""
    if not isinstance(held, dict):
        return {}
    return {
        source: {name: asked for name, asked in place.items() if isinstance(asked, str)}
        for source, place in held.items()
        if isinstance(place, dict)
    }


def _with_source(following: str | None, asked: str) -> str | None:
    """Return the next page's address with the data source, which older servers leave out."""
    if following is None or "data_source_id=" in following:
        return following
    kept = [(k, v) for k, v in parse_qsl(urlsplit(asked).query) if k in {"data_source_id", "limit"}]
    return f"{following}&{urlencode(kept)}"
