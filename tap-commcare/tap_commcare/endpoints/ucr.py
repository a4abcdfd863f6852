"""Reads the rows of UCR data sources, oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tap_common import timestamps
from tap_common.bookmarks import Entry
from tap_common.client import ApiClient
from tap_common.counting_converters import integer, timestamp
from tap_common.errors import UnexpectedResponseError
from tap_common.full_table import (
    POSITION_ERRORS,
    TableVersions,
    drop_invalid_timestamps,
    finish_tables,
    should_restart,
)
from tap_common.messages import Record
from tap_common.stream import ApiStream
from tap_common.sync import SyncRun

from tap_commcare.pagination.ucr_documents import (
    MAX_LIMIT,
    DataSourcePages,
    Document,
    documents_of,
    stored_address,
)
from tap_commcare.streams.ucr import UcrRowsStream

__all__ = ["MAX_LIMIT", "UcrSync", "ucr_records"]


def ucr_records(documents: Iterable[Document], data_source: str, domain: str) -> Iterator[Record]:
    """Yield a record for each row of the documents.

    ``repeat_iteration`` is part of the key. If the rows of a document have no unique values in it,
    they are numbered here; otherwise they would overwrite each other in the target.

    Args:
        documents: Documents with all their rows.
        data_source: The id of the data source.
        domain: The domain.
    """
    for document in documents:
        given = [integer(row.get("repeat_iteration")) for row in document.rows]
        is_unique = None not in given and len(set(given)) == len(given)
        for index, row in enumerate(document.rows):
            yield {
                "data_source_id": data_source,
                "doc_id": document.key.doc_id,
                "repeat_iteration": given[index] if is_unique else index,
                "domain": domain,
                "inserted_at": timestamp(document.key.inserted_at),
                "data": row,
            }


@dataclass
class UcrSync:
    """Reads data sources page by page, incrementally.

    The state stores two page addresses for each data source: ``going_on``, where an interrupted
    read resumes, and ``begin``, where the run after a completed one begins. ``begin`` lies further
    back, by the overlap, so that rows that became visible late are read as well.
    """

    client: ApiClient
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

    def run(self, run: SyncRun) -> None:
        """Read the rows that were written to each data source since the last run."""
        entry = run.bookmarks.read(self.stream.name, self.domain)
        version = None
        if self.stream.is_full_table:
            version = self.versions.version(self.stream)
            entry = self.versions.bookmark(self.stream, self.domain)
            entry["version"] = version
        entry = drop_invalid_timestamps(
            entry, ("replication_key_value",), self.stream.name, self.domain
        )
        run.begin(self.stream, version)
        stored = entry["data_sources"] = _stored_addresses(entry.get("data_sources"))
        for source in self.data_sources:
            self._read(run, self._pages(source, self.page_size), stored, entry)
        if version is not None:
            extra = {name: value for name, value in entry.items() if name != "version"}
            finish_tables(run, self.domain, {self.stream: extra}, self.versions)

    def _pages(self, source: str, limit: int) -> DataSourcePages:
        return DataSourcePages(self.client, self.domain, source, UcrRowsStream.path, limit)

    def _read(
        self, run: SyncRun, pages: DataSourcePages, stored: dict[str, Entry], entry: Entry
    ) -> None:
        addresses = stored.setdefault(pages.data_source, {})
        first = pages.address()
        address: str | None = addresses.get("going_on") or addresses.get("begin") or first
        # The pages within the overlap, with the time of their first row. The next run begins with
        # the oldest of them.
        recent: list[tuple[int, str]] = []
        while address is not None:
            is_resumed = not recent and address != first
            try:
                page = pages.page(stored_address(address, first) if is_resumed else address)
                # A stored cursor points before the bookmarked document, so at least that follows.
                if is_resumed and not page.documents:
                    raise UnexpectedResponseError("nothing follows the stored cursor.")
            except POSITION_ERRORS as error:
                if is_resumed and should_restart(error, self.stream.name, self.domain):
                    address = first
                    continue
                raise
            records = list(ucr_records(page.documents, pages.data_source, self.domain))
            if records:
                recent.append((timestamps.to_millis(records[0]["inserted_at"]), address))
                self._advance(records, addresses, recent, entry)
            address = page.next_address
            if address is None:
                addresses.pop("going_on", None)
            else:
                addresses["going_on"] = address
            run.write_page(
                self,
                [(self.stream, records)],
                lambda: run.bookmarks.write(self.stream.name, self.domain, entry),
            )

    def _advance(
        self,
        records: Sequence[Record],
        addresses: Entry,
        recent: list[tuple[int, str]],
        entry: Entry,
    ) -> None:
        """Advance the bookmark, and the address at which the next run begins."""
        latest = records[-1]["inserted_at"]
        while len(recent) > 1 and recent[1][0] < timestamps.to_millis(latest) - self.overlap:
            del recent[0]
        addresses["begin"] = recent[0][1]
        bookmark = entry.get("replication_key_value")
        values = [latest, bookmark] if bookmark else [latest]
        entry["replication_key"] = "inserted_at"
        entry["replication_key_value"] = max(values, key=timestamps.parse)


def _stored_addresses(stored: object) -> dict[str, Entry]:
    """Return the addresses in the state by data source, ignoring what is not an address."""
    if not isinstance(stored, dict):
        return {}
    return {
        source: {name: address for name, address in entry.items() if isinstance(address, str)}
        for source, entry in stored.items()
        if isinstance(entry, dict)
    }
