"""Pages of UCR data sources that contain whole documents only.

A document can have several rows, and HQ may end a page between any two of them. Its ``next`` cursor
names the last document of the page, so that following it skips the rest of that document. The last
document of every page is therefore dropped, and the next page is requested after the document
before it, with a cursor that is built here. Source: ``get_ucr_data`` in HQ's API, read November
2026.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import msgspec
from tap_common.client import ApiClient, same_origin
from tap_common.counting_converters import integer, text, timestamp
from tap_common.errors import UnexpectedResponseError
from tap_common.json_decoder import JsonDecoder
from tap_common.wording import counted

from tap_commcare import client

MAX_LIMIT = 10_000  # HQ silently lowers a larger one
Row = dict[str, Any]


class UcrMeta(msgspec.Struct):
    """The link to the next page of a data source, and the size limit of pages."""

    next: Any = None
    limit: Any = None


class UcrTable(msgspec.Struct):
    """The rows as releases of 2023 return them: the column names once, then rows of values."""

    columns: list[str]
    rows: list[list[Any]]


class UcrPage(msgspec.Struct):
    """A page of a data source."""

    objects: list[Row] | UcrTable
    meta: UcrMeta

    @property
    def rows(self) -> list[Row]:
        """The rows by the names of their columns."""
        if isinstance(self.objects, list):
            return self.objects
        names = self.objects.columns
        if any(len(row) != len(names) for row in self.objects.rows):
            raise UnexpectedResponseError(
                "a row of a data source has not as many values as columns."
            )
        return [dict(zip(names, row, strict=True)) for row in self.objects.rows]


DECODE = JsonDecoder(UcrPage, "meta and a list objects of objects")


@dataclass(frozen=True)
class DocumentKey:
    """What all rows of a document have in common; HQ orders and pages by it."""

    inserted_at: str
    doc_id: str

    @classmethod
    def of(cls, row: Row) -> DocumentKey:
        """Return the key of a row's document.

        Raises:
            UnexpectedResponseError: The row has none.
        """
        inserted_at, doc_id = row.get("inserted_at"), text(row.get("doc_id") or row.get("id"))
        if doc_id is None or type(inserted_at) is not str or timestamp(inserted_at) is None:
            raise UnexpectedResponseError("a row of a data source has no doc_id or inserted_at.")
        return cls(inserted_at, doc_id)

    def time(self, separator: str) -> str:
        """Return when its rows were written, with ``T`` or a space between date and time."""
        return self.inserted_at.replace("T", separator, 1)

    def cursor(self, separator: str) -> str:
        """Return HQ's cursor to the first row after this document."""
        fields = {"last_doc_id": self.doc_id, "last_inserted_at": self.time(separator)}
        return base64.b64encode(urlencode(fields).encode()).decode()

    def is_same(self, other: DocumentKey) -> bool:
        """Return whether both name the same document, whatever the format of their times."""
        return self.doc_id == other.doc_id and timestamp(self.inserted_at) == timestamp(
            other.inserted_at
        )


@dataclass(frozen=True)
class Document:
    """The rows of one document on a page."""

    key: DocumentKey
    rows: list[Row]


def documents_of(rows: Iterable[Row]) -> list[Document]:
    """Return the documents of a page, in order."""
    return [Document(key, list(found)) for key, found in groupby(rows, DocumentKey.of)]


@dataclass(frozen=True)
class DocumentPage:
    """The documents of a page that are certainly complete, and the address of the next page."""

    documents: list[Document]
    next_address: str | None


@dataclass
class DataSourcePages:
    """The pages of one data source.

    HQ does not say how many rows it returns at most. A page therefore counts as the last one only
    if it ended before a number of rows that the server is known to exceed.
    """

    client: ApiClient
    domain: str
    data_source: str
    resource: str
    limit: int
    _largest: int = 0
    """Rows of the largest page so far."""

    def address(self, *, after: str | None = None, limit: int | None = None) -> str:
        """Return the address of the page after a cursor; of the first page without one."""
        query = {"data_source_id": self.data_source, "limit": str(limit or self.limit)}
        if after is not None:
            query["cursor"] = after
        path = client.path(self.domain, self.resource)
        return f"{urlsplit(self.client.base_url).path}{path}?{urlencode(query)}"

    def rows(self, address: str) -> tuple[list[Row], UcrMeta]:
        """Return the rows at an address, and the metadata of the page."""
        url = same_origin(address, self.client.base_url)
        page = self.client.get(url, (), self.domain, DECODE).value
        client.next_path(page.meta.next, address)  # raises for a link that leads elsewhere
        return page.rows, page.meta

    def page(self, address: str) -> DocumentPage:
        """Return the complete documents of the page at an address.

        Raises:
            UnexpectedResponseError: The server repeats rows, or does not return a whole document.
        """
        rows, meta = self.rows(address)
        documents = documents_of(rows)
        if not documents:
            return DocumentPage([], None)
        _check_progress(documents, address)
        largest, self._largest = self._largest, max(self._largest, len(rows))
        if len(documents) > 1:
            cursor = documents[-2].key.cursor(_separator(meta, documents[-1].key))
            return DocumentPage(documents[:-1], self.address(after=cursor))
        return self._single_document(documents[0], address, meta, largest)

    def _single_document(
        self, document: Document, address: str, meta: UcrMeta, largest: int
    ) -> DocumentPage:
        """Return the only document of a page; enlarge the page until it has all of its rows."""
        limit, count = _limit(address, meta), len(document.rows)
        if count < limit:
            if count < largest or len(beginning := self._beginning(count + 1)) > count:
                return DocumentPage([document], None)
            if all(DocumentKey.of(row) == document.key for row in beginning):
                cursor = document.key.cursor(_separator(meta, document.key))
                return DocumentPage([document], self.address(after=cursor))
        if count < limit or limit >= MAX_LIMIT:
            raise UnexpectedResponseError(
                f"a document of data source {self.data_source} has at least "
                f"{counted(count, 'row')}, and the server does not return more at once: the "
                "rest of them cannot be read."
            )
        self.limit = min(limit * 2, MAX_LIMIT)
        return self.page(self.address(after=_parameter(address, "cursor")))

    def _beginning(self, limit: int) -> list[Row]:
        """Return the first rows of the data source.

        They prove whether the server returns that many at once. One that silently lowers the limit
        would cut off every longer document at that number. If the whole data source is a single
        document, nothing can be proved, and it is accepted as it is.
        """
        rows, _ = self.rows(self.address(limit=min(limit, MAX_LIMIT)))
        return rows


def stored_address(address: str, first: str) -> str:
    """Return an address in the state, if it is a page of the same data source as ``first``.

    Raises:
        UnexpectedResponseError: It is a page of another data source or list.
    """
    found = client.stored_page(address, first)
    if _parameter(found, "data_source_id") != _parameter(first, "data_source_id"):
        raise UnexpectedResponseError("the stored page belongs to another data source.")
    return found


def _check_progress(documents: Sequence[Document], address: str) -> None:
    """Raise UnexpectedResponseError if a page does not begin after the requested cursor."""
    after = _decode_cursor(_parameter(address, "cursor"))
    if after is not None and any(document.key.is_same(after) for document in documents):
        raise UnexpectedResponseError("its next page repeats rows of the one before.")


def _separator(meta: UcrMeta, last: DocumentKey) -> str:
    """Return the separator between date and time in the server's cursors.

    Raises:
        UnexpectedResponseError: They have another format, so that none can be built here.
    """
    link = meta.next
    cursor = link.get("cursor") if isinstance(link, dict) else _parameter(str(link or ""), "cursor")
    if not cursor:
        return "T"
    key = _decode_cursor(cursor)
    if key is None:
        raise UnexpectedResponseError("its cursors have an unknown format.")
    return " " if key.inserted_at == last.time(" ") else "T"


def _decode_cursor(cursor: str | None) -> DocumentKey | None:
    """Return the document after which a cursor points; None for another format."""
    try:
        fields = dict(parse_qsl(base64.b64decode(cursor or "", validate=True).decode()))
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    if not {"last_doc_id", "last_inserted_at"} <= fields.keys():
        return None
    return DocumentKey(fields["last_inserted_at"], fields["last_doc_id"])


def _limit(address: str, meta: UcrMeta) -> int:
    """Return how many rows the page could have, by the limits of request and server."""
    limits = (integer(_parameter(address, "limit")), integer(meta.limit), MAX_LIMIT)
    return min(limit for limit in limits if limit)


def _parameter(address: str, name: str) -> str | None:
    return parse_qs(urlsplit(address).query).get(name, [None])[0]
