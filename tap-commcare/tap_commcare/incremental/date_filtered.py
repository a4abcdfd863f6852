"""Reads lists that can be filtered by date but not ordered by it: locations.

The bookmark moves only after all pages of a read, because a later page may have earlier rows. An
interrupted read resumes at the next page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from tap_common import timestamps
from tap_common.bookmarks import Entry
from tap_common.errors import UnavailableError
from tap_common.full_table import (
    MAX_PASSES,
    POSITION_ERRORS,
    ListChangedError,
    ListSource,
    Position,
    TableVersions,
    ToRecords,
    complete_tables,
    drop_invalid_timestamps,
    should_restart,
)
from tap_common.messages import Record
from tap_common.stream import ApiStream
from tap_common.sync import SyncRun

log = logging.getLogger(__name__)

TIMESTAMPS = ("replication_key_value", "read_started_at", "latest", "since")


@dataclass
class DateFilteredSync:
    """Reads what changed in a list since the bookmark.

    Args:
        domain: The domain.
        stream: The stream of the list.
        source: Returns the list of rows changed at or after a time; of all rows for None.
        to_records: Makes records of rows.
        versions: The version of the stream, if it is read in full.
        overlap: How far before the bookmark to begin, in milliseconds.
        start_date: The earliest time to read, in milliseconds, or None.
    """

    domain: str
    stream: ApiStream
    source: Callable[[str | None], ListSource]
    to_records: ToRecords
    versions: TableVersions
    overlap: int
    start_date: int | None
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        self.streams = [self.stream]

    def sample(self, limit: int) -> Mapping[str, Iterable[Record]]:
        """Return a few records."""
        return {self.stream.name: self.to_records(self.source(None).page(None, limit).rows)}

    def run(self, run: SyncRun) -> None:
        """Read all pages, again from the first one if the list changes meanwhile."""
        entry = run.bookmarks.read(self.stream.name, self.domain)
        if self.stream.is_full_table:
            entry = self.versions.bookmark(self.stream, self.domain)
            entry["version"] = self.versions.version(self.stream)
        entry = self._valid(entry)
        run.begin(self.stream, entry.get("version"))
        position = entry.get("position")
        # A position is valid only with the filter with which the read began.
        if not isinstance(position, dict) or "read_started_at" not in entry:
            position = None
            entry["since"] = self._since(entry)
            entry["read_started_at"] = timestamps.to_rfc3339(datetime.now(UTC))
        source = self.source(entry.get("since"))
        for _ in range(MAX_PASSES):
            try:
                self._read_pages(run, source, entry, position)
            except ListChangedError:
                position = None
                continue
            return
        raise UnavailableError(
            f"The list behind {self.stream.name} changed during each of {MAX_PASSES} reads.",
            "Run again at a quieter time.",
        )

    def _valid(self, entry: Entry) -> Entry:
        """Return a bookmark, unless it is in the future: this tap has not written that."""
        entry = drop_invalid_timestamps(entry, TIMESTAMPS, self.stream.name, self.domain)
        now = timestamps.datetime_to_millis(datetime.now(UTC)) + self.overlap
        began = entry.get("read_started_at") or entry.get("replication_key_value")
        is_future = began is not None and timestamps.to_millis(began) > now
        since = timestamps.to_millis(entry["since"]) if entry.get("since") else now
        if not is_future and since <= max(now, self.start_date or 0):
            return entry
        log.warning(
            "%s of %s: the bookmark in the state is in the future; reading everything again",
            self.stream.name,
            self.domain,
        )
        return {name: value for name, value in entry.items() if name == "version"}

    def _since(self, entry: Entry) -> str | None:
        bookmark = entry.get("replication_key_value")
        if bookmark is None or self.stream.is_full_table:
            start = self.start_date
        else:
            began = entry.get("read_started_at") or bookmark
            certain = min(timestamps.to_millis(bookmark), timestamps.to_millis(began))
            since = certain - self.overlap
            start = since if self.start_date is None else max(since, self.start_date)
        # The API accepts times without a zone only.
        return None if start is None else timestamps.to_rfc3339(timestamps.from_millis(start))[:-1]

    def _read_pages(
        self, run: SyncRun, source: ListSource, entry: Entry, position: Position | None
    ) -> None:
        is_resumed = position is not None
        while True:
            try:
                page = source.page(position)
            except POSITION_ERRORS as error:
                if is_resumed and should_restart(error, self.stream.name, self.domain):
                    raise ListChangedError from None
                raise
            is_resumed, position = False, page.next_position
            records = list(self.to_records(page.rows))
            times = [r["last_modified"] for r in records if r["last_modified"] is not None]
            # Pages are not ordered by date: any page may have the latest time.
            if entry.get("latest"):
                times.append(entry["latest"])
            if times:
                entry["latest"] = max(times, key=timestamps.parse)
            entry["position"] = position
            run.write_page(
                self, [(self.stream, records)], partial(self._update_bookmark, run, entry)
            )
            if position is None:
                return

    def _update_bookmark(self, run: SyncRun, entry: Entry) -> None:
        if entry["position"] is None:
            self._finish(run, entry)
        else:
            run.bookmarks.write(self.stream.name, self.domain, dict(entry))

    def _finish(self, run: SyncRun, entry: Entry) -> None:
        candidates = [entry.get("latest"), entry.get("replication_key_value")]
        values = [value for value in candidates if value]
        done: Entry = {"read_started_at": entry["read_started_at"]}
        if values:
            done["replication_key"] = "last_modified"
            done["replication_key_value"] = max(values, key=timestamps.parse)
        if self.stream.is_full_table:
            complete_tables(self.domain, {self.stream: done}, self.versions)
        else:
            run.bookmarks.write(self.stream.name, self.domain, done)
