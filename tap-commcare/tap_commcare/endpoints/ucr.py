"""Data sources (UCR): rows read by cursor, in the order in which they were written.

A document can have several rows, and HQ cuts a page anywhere between them: its ``next`` cursor
names the last document of the page, so following it skips the rest of that document. The last
document of every page is therefore dropped, and the next page is asked for from the document
before it, with a cursor built here. Source: ``get_ucr_data`` in HQ's API, read November 2026.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import msgspec
from tap_common import timestamps
from tap_common.bookmarks import Entry
from tap_common.client import ApiClient, same_origin
from tap_common.errors import UnexpectedResponseError
from tap_common.full_table import (
    POSITION_ERRORS,
    TableVersions,
    finish_tables,
    readable,
    should_restart,
)
from tap_common.json_decoder import JsonDecoder
from tap_common.messages import Record
from tap_common.stream import ApiStream
from tap_common.sync import Run

from tap_commcare import client
from tap_commcare.values import integer, moment, text

MAX_LIMIT = 10_000  # HQ silently lowers a larger one
Row = dict[str, Any]


class UcrMeta(msgspec.Struct):
    """Where the next page of a data source is, and how many rows a page may have."""

    next: Any = None
    limit: Any = None


class UcrTable(msgspec.Struct):
    """Rows of a data source as releases of 2023 wrote them: names once, and values in order."""

    columns: list[str]
    rows: list[list[Any]]


class UcrPage(msgspec.Struct):
    """A page of a data source."""

    objects: list[Row] | UcrTable
    meta: UcrMeta

    @property
    def rows(self) -> list[Row]:
        """Return its rows by the names of their columns."""
        if isinstance(self.objects, list):
            return self.objects
        names = self.objects.columns
        if any(len(row) != len(names) for row in self.objects.rows):
            raise UnexpectedResponseError(
                "a row of a data source has not as many values as columns."
            )
        return [dict(zip(names, row, strict=True)) for row in self.objects.rows]


UCR = JsonDecoder(UcrPage, "meta and a list objects of objects")


@dataclass(frozen=True)
class DocumentKey:
    """What all rows of one document share, and what HQ orders and pages by."""

    inserted_at: str
    doc_id: str

    @classmethod
    def of(cls, row: Row) -> DocumentKey:
        """Return the key of a row's document.

        Raises:
            ShapeError: The row lacks it.
        """
        inserted_at, doc_id = row.get("inserted_at"), text(row.get("doc_id") or row.get("id"))
        if doc_id is None or type(inserted_at) is not str or moment(inserted_at) is None:
            raise UnexpectedResponseError("a row of a data source has no doc_id or inserted_at.")
        return cls(inserted_at, doc_id)

    def time(self, separator: str) -> str:
        """Return when its rows were written, with ``T`` or a space after the day."""
        return self.inserted_at.replace("T", separator, 1)

    def cursor(self, separator: str) -> str:
        """Return HQ's cursor to the first row after this document."""
        place = {"last_doc_id": self.doc_id, "last_inserted_at": self.time(separator)}
        return base64.b64encode(urlencode(place).encode()).decode()

    def is_same(self, other: DocumentKey) -> bool:
        """Return whether both name the same document, however their times are written."""
        return self.doc_id == other.doc_id and moment(self.inserted_at) == moment(other.inserted_at)


@dataclass(frozen=True)
class Document:
    """The rows of one document, as far as a page holds them."""

    key: DocumentKey
    rows: list[Row]


def documents_of(rows: Iterable[Row]) -> list[Document]:
    """Return the documents of a page, in order."""
    return [Document(key, list(found)) for key, found in groupby(rows, DocumentKey.of)]


def ucr_records(documents: Iterable[Document], data_source: str, domain: str) -> Iterator[Record]:
    """Yield the records of whole documents.

    The rows of a document are numbered by its place when the data source has no (or no unique)
    ``repeat_iteration``: without a number they would replace each other.
    """
    for document in documents:
        given = [integer(row.get("repeat_iteration")) for row in document.rows]
        is_unique = None not in given and len(set(given)) == len(given)
        for place, row in enumerate(document.rows):
            yield {
                "data_source_id": data_source,
                "doc_id": document.key.doc_id,
                "repeat_iteration": given[place] if is_unique else place,
                "domain": domain,
                "inserted_at": moment(document.key.inserted_at),
                "data": row,
            }


@dataclass(frozen=True)
class WholePage:
    """The documents of a page that are certainly complete, and where the next page begins."""

    documents: list[Document]
    following: str | None


@dataclass
class DataSourcePages:
    """One data source, page by page, in whole documents.

    HQ does not say how many rows it returns at most, so a page counts as complete only where it
    ended before a number of rows that the server is known to exceed.
    """

    api: ApiClient
    domain: str
    data_source: str
    limit: int
    _largest: int = 0
    """Rows of the largest page so far."""

    def address(self, *, after: str | None = None, limit: int | None = None) -> str:
        """Return the address of the page after a cursor; of the first page without one."""
        query = {"data_source_id": self.data_source, "limit": str(limit or self.limit)}
        if after is not None:
            query["cursor"] = after
        path = client.path(self.domain, "ucr/v1")
        return f"{urlsplit(self.api.base_url).path}{path}?{urlencode(query)}"

    def rows(self, asked: str) -> tuple[list[Row], UcrMeta]:
        """Return the rows at an address, and what the server says of the page."""
        page = self.api.get(same_origin(asked, self.api.base_url), (), self.domain, UCR).value
        client.next_path(page.meta.next, asked)  # raises for a link that leads elsewhere
        return page.rows, page.meta

    def page(self, asked: str) -> WholePage:
        """Return the whole documents of the page at an address.

        Raises:
            ShapeError: The server repeats what it gave, or does not give a document whole.
        """
        rows, meta = self.rows(asked)
        documents = documents_of(rows)
        if not documents:
            return WholePage([], None)
        _check_progress(documents, asked)
        largest, self._largest = self._largest, max(self._largest, len(rows))
        if len(documents) > 1:
            cursor = documents[-2].key.cursor(_separator(meta, documents[-1].key))
            return WholePage(documents[:-1], self.address(after=cursor))
        return self._only_document(documents[0], asked, meta, largest)

    def _only_document(
        self, document: Document, asked: str, meta: UcrMeta, largest: int
    ) -> WholePage:
        """Return the last document once all of its rows are there, else ask for more at once."""
        limit, count = _limit(asked, meta), len(document.rows)
        if count < limit:
            if count < largest or len(beginning := self._beginning(count + 1)) > count:
                return WholePage([document], None)
            if all(DocumentKey.of(row) == document.key for row in beginning):
                cursor = document.key.cursor(_separator(meta, document.key))
                return WholePage([document], self.address(after=cursor))
        if count < limit or limit >= MAX_LIMIT:
            raise UnexpectedResponseError(
                f"a document of data source {self.data_source} has at least {count} rows, and the "
                "server does not return more at once: the rest of them cannot be read."
            )
        self.limit = min(limit * 2, MAX_LIMIT)
        return self.page(self.address(after=_parameter(asked, "cursor")))

    def _beginning(self, limit: int) -> list[Row]:
        """Return the first rows of the data source.

        They show whether the server returns so many at once: one that lowers the limit without
        saying so would cut every longer document at that number. A document that is all that
        there is proves nothing, and is taken as it came.
        """
        rows, _ = self.rows(self.address(limit=min(limit, MAX_LIMIT)))
        return rows


def _check_progress(documents: Sequence[Document], asked: str) -> None:
    """Raise UnexpectedResponseError if a page does not begin after the cursor it was asked for."""
    after = _decoded(_parameter(asked, "cursor"))
    if after is not None and any(document.key.is_same(after) for document in documents):
        raise UnexpectedResponseError("its next page repeats rows that came before.")


def _separator(meta: UcrMeta, last: DocumentKey) -> str:
    """Return what the server's own cursors have between day and time.

    Raises:
        ShapeError: Its cursors are of another kind, so none can be built here.
    """
    link = meta.next
    cursor = link.get("cursor") if isinstance(link, dict) else _parameter(str(link or ""), "cursor")
    if not cursor:
        return "T"
    found = _decoded(cursor)
    if found is None:
        raise UnexpectedResponseError(
            "its cursors cannot be read, so no document can be read whole."
        )
    return " " if found.inserted_at == last.time(" ") else "T"


def _decoded(cursor: str | None) -> DocumentKey | None:
    """Return the document that a cursor points behind; None for another kind of cursor."""
    try:
        place = dict(parse_qsl(base64.b64decode(cursor or "", validate=True).decode()))
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    if not {"last_doc_id", "last_inserted_at"} <= place.keys():
        return None
    return DocumentKey(place["last_inserted_at"], place["last_doc_id"])


def _limit(asked: str, meta: UcrMeta) -> int:
    """Return how many rows the page could have, by what was asked for and what the server says."""
    limits = (integer(_parameter(asked, "limit")), integer(meta.limit), MAX_LIMIT)
    return min(limit for limit in limits if limit)


def _parameter(address: str, name: str) -> str | None:
    return parse_qs(urlsplit(address).query).get(name, [None])[0]


@dataclass
class UcrSync:
    """Reads data sources by cursor.

    Of each, two places are remembered: where an interrupted read resumes, and an older one where
    the next run begins, so far back that a row that became visible late is read, too.
    """

    api: ApiClient
    domain: str
    stream: ApiStream
    data_sources: Sequence[str]
    page_size: int
    overlap: int
    versions: TableVersions
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        self.streams = [self.stream]

    def sample(self, limit: int) -> Mapping[str, Iterable[Record]]:
        """Return a few records of the first data source."""
        source = self.data_sources[0]
        pages = self._pages(source, min(limit, self.page_size))
        rows, _ = pages.rows(pages.address())
        return {self.stream.name: ucr_records(documents_of(rows), source, self.domain)}

    def run(self, run: Run) -> None:
        """Read what was written to each data source since the last run."""
        entry = run.bookmarks.read(self.stream.name, self.domain)
        version = None
        if self.stream.is_full_table:
            version = self.versions.of(self.stream)
            entry = self.versions.entry(self.stream, self.domain)
            entry["version"] = version
        entry = readable(entry, ("replication_key_value",), self.stream.name, self.domain)
        run.begin(self.stream, version)
        places = entry["data_sources"] = _places(entry.get("data_sources"))
        for source in self.data_sources:
            self._read(run, self._pages(source, self.page_size), places, entry)
        if version is not None:
            kept = {name: value for name, value in entry.items() if name != "version"}
            finish_tables(run, self.domain, {self.stream: kept}, self.versions)

    def _pages(self, source: str, limit: int) -> DataSourcePages:
        return DataSourcePages(self.api, self.domain, source, limit)

    def _read(
        self, run: Run, pages: DataSourcePages, places: dict[str, Entry], entry: Entry
    ) -> None:
        place = places.setdefault(pages.data_source, {})
        first = pages.address()
        asked: str | None = place.get("going_on") or place.get("begin") or first
        trail: list[tuple[int, str]] = []
        while asked is not None:
            is_resumed = not trail and asked != first
            try:
                page = pages.page(_place(asked, first) if is_resumed else asked)
                if is_resumed and not page.documents:
                    raise UnexpectedResponseError("nothing follows the place.")
            except POSITION_ERRORS as error:
                if is_resumed and should_restart(error, self.stream.name, self.domain):
                    asked = first
                    continue
                raise
            records = list(ucr_records(page.documents, pages.data_source, self.domain))
            if records:
                trail.append((timestamps.stamp(records[0]["inserted_at"]), asked))
                self._advance(records, place, trail, entry)
            asked = page.following
            place |= {"going_on": asked} if asked else {}
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


def _place(asked: str, first: str) -> str:
    """Return a place that a state holds in a data source.

    Raises:
        ShapeError: It is in another data source.
    """
    found = client.place(asked, first)
    queries = [dict(parse_qsl(urlsplit(each).query)) for each in (found, first)]
    if len({query.get("data_source_id") for query in queries}) > 1:
        raise UnexpectedResponseError("the place is in another data source.")
    return found


def _places(held: object) -> dict[str, Entry]:
    """Return the places in the data sources that a state holds, without what is no address."""
    if not isinstance(held, dict):
        return {}
    return {
        source: {name: asked for name, asked in place.items() if isinstance(asked, str)}
        for source, place in held.items()
        if isinstance(place, dict)
    }
