"""Reads a list by time: new rows since the last run, page by page, with a bookmark per stream.

Several streams may be derived from one list. Each has its own bookmark, because each may have been
selected at another time. This module does not know any endpoint.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from tap_common import timestamps
from tap_common.errors import UnexpectedResponseError
from tap_common.full_table import (
    POSITION_ERRORS,
    TableVersions,
    ToRecords,
    drop_invalid_timestamps,
    finish_tables,
    should_restart,
)
from tap_common.messages import Record
from tap_common.stream import ApiStream
from tap_common.sync import SyncRun

from tap_commcare.incremental.bookmarks import (
    Progress,
    Start,
    begin,
    progress_after,
    resume,
    stored_progress,
)
from tap_commcare.incremental.prefetch import Prefetcher
from tap_commcare.pagination.pages import TimedPage, TimedSource, Window

log = logging.getLogger(__name__)

TIMESTAMPS = ("replication_key_value", "read_started_at", "read_to")


class FutureStateError(Exception):
    """The state contains a time in the future."""


@dataclass
class StreamCursor:
    """A stream of a read, and its progress."""

    stream: ApiStream
    to_records: ToRecords
    bookmark: str | None = None
    """The latest time that was emitted, in the format of the record."""
    read_to: int | None = None
    """The latest time that was read. A row need not have a record in this stream."""
    emit_after: int | None = None
    start: Start = field(default_factory=lambda: Start(Window(None, None)))
    start_by_time: Start = field(default_factory=lambda: Start(Window(None, None)))
    """Where to begin if the page token of ``start`` cannot be used."""
    version: int | None = None

    def records(self, page: TimedPage) -> list[Record]:
        """Return the records of a page that this stream has not emitted before."""
        rows = page.rows
        if self.emit_after is not None:
            pairs = zip(page.rows, page.times, strict=True)
            rows = [row for row, time in pairs if time > self.emit_after]
        return list(self.to_records(rows))

    def advance(self, records: Sequence[Record], last: int | None) -> None:
        """Move the bookmark to the latest record, never beyond it."""
        key = self.stream.replication_key or "indexed_on"
        values = [record[key] for record in records]
        if self.bookmark is not None:
            values.append(self.bookmark)
        if values:
            self.bookmark = max(values, key=timestamps.parse)
        if last is not None:
            self.read_to = last if self.read_to is None else max(self.read_to, last)


@dataclass
class IncrementalSync:
    """Reads one endpoint by time, for the streams that are derived from it.

    Args:
        domain: The domain.
        cursors: The streams.
        source: The endpoint.
        versions: The versions of streams that are read in full.
        overlap: How far before the bookmark a read begins, in milliseconds.
        start_date: The earliest time to read, or None.
        scope: A digest of the filters: a bookmark is not valid under other filters.
        executor: Runs requests at the same time; None if they are sequential.
        max_in_flight: Returns how many requests may be in flight at the moment.
    """

    domain: str
    cursors: Sequence[StreamCursor]
    source: TimedSource
    versions: TableVersions
    overlap: int
    start_date: int | None
    scope: str
    executor: Executor | None
    max_in_flight: Callable[[], int]
    streams: Sequence[ApiStream] = field(init=False)
    _pages_written: int = 0

    def __post_init__(self) -> None:
        self.streams = [cursor.stream for cursor in self.cursors]

    def sample(self, limit: int) -> Mapping[str, Iterable[Record]]:
        """Return a few records of each stream, with one request."""
        rows = self.source.page(Window(None, None), None, limit).rows
        return {cursor.stream.name: cursor.to_records(rows) for cursor in self.cursors}

    def run(self, run: SyncRun) -> None:
        """Read everything since the bookmark; advance the bookmark after each page."""
        for cursor in self.cursors:
            self._load_bookmark(run, cursor)
            run.begin(cursor.stream, cursor.version)
        start = self._common_start()
        try:
            self._read_from(run, start)
        except POSITION_ERRORS as error:
            # Once a page has been written, an error is caused by the server, not the stored token.
            is_resumed = start.page_token is not None and not self._pages_written
            names = " and ".join(stream.name for stream in self.streams)
            if not is_resumed or not should_restart(error, names, self.domain):
                raise
            self._read_from(run, self.cursors[0].start_by_time)

    def _read_from(self, run: SyncRun, start: Start) -> None:
        """Read from the position in the state; read everything if that is in the future."""
        try:
            self._read(run, start)
        except FutureStateError:
            self._read(run, self._common_start())

    def _read(self, run: SyncRun, start: Start) -> None:
        began = 0
        prefetcher = Prefetcher(self.source, self.executor, self.max_in_flight)
        for window, page in prefetcher.pages(start):
            if not began:
                began = timestamps.datetime_to_millis(page.requested_at)
                self._check_state(start, page, began)
            self._write(run, window, page, began)
            self._pages_written += 1
        self._finish(run, began)

    def _check_state(self, start: Start, page: TimedPage, now: int) -> None:
        """Check, before anything is written, that this tap could have written the state.

        A bookmark in the future would hide every change until then.

        Raises:
            FutureStateError: A bookmark is in the future; it has been reset.
            UnexpectedResponseError: It has a page token that nothing follows.
        """
        if start.page_token is not None and not page.rows:
            raise UnexpectedResponseError("nothing follows the stored page.")
        earliest = -1 if self.start_date is None else self.start_date - 1
        future = [
            cursor
            for cursor in self.cursors
            if cursor.emit_after is not None and cursor.emit_after > max(now, earliest)
        ]
        for cursor in future:
            log.warning(
                "%s of %s: the bookmark in the state is in the future; reading everything again",
                cursor.stream.name,
                self.domain,
            )
            cursor.bookmark = cursor.read_to = None
            cursor.start = cursor.start_by_time = begin(None, None, self.overlap, self.start_date)
            cursor.emit_after = cursor.start.emit_after
        if future:
            raise FutureStateError

    def _load_bookmark(self, run: SyncRun, cursor: StreamCursor) -> None:
        entry = run.bookmarks.read(cursor.stream.name, self.domain)
        if cursor.stream.is_full_table:
            cursor.version = self.versions.version(cursor.stream)
            entry = self.versions.bookmark(cursor.stream, self.domain)
        # A wider filter admits rows before the bookmark, which would never be read.
        if entry.get("scope", self.scope) != self.scope:
            entry = {}
        entry = drop_invalid_timestamps(entry, TIMESTAMPS, cursor.stream.name, self.domain)
        cursor.bookmark = entry.get("replication_key_value")
        read_to = entry.get("read_to", cursor.bookmark)
        cursor.read_to = timestamps.to_millis(read_to) if read_to else None
        read_started_at = entry.get("read_started_at")
        began = timestamps.to_millis(read_started_at) if read_started_at else None
        # This tap never writes the progress of a read without the time at which it began.
        progress = None if began is None else stored_progress(entry)
        latest = cursor.read_to if progress is None else progress.at
        cursor.start_by_time = begin(latest, began, self.overlap, self.start_date)
        cursor.start = cursor.start_by_time
        if progress is not None and began is not None:
            cursor.start = resume(progress, began, self.overlap, self.start_date)
        cursor.emit_after = cursor.start.emit_after

    def _common_start(self) -> Start:
        """Return where all streams can begin: at their common position, or at the earliest one."""
        first = self.cursors[0].start
        if all(cursor.start == first for cursor in self.cursors):
            return first
        for cursor in self.cursors:
            if cursor.start.page_token is not None:
                # The other streams cannot begin with a page inside this window.
                cursor.start = cursor.start_by_time
                cursor.emit_after = cursor.start.emit_after
        times = [cursor.emit_after for cursor in self.cursors]
        earliest = None if None in times else min(time for time in times if time is not None)
        return Start(Window(earliest, None))

    def _write(self, run: SyncRun, window: Window, page: TimedPage, began: int) -> None:
        written = [(cursor, cursor.records(page)) for cursor in self.cursors]
        if not self._pages_written and window.is_open:
            self._log_expected(run, page, written)
        progress = None
        # After a page without rows, progress stays where it was.
        if page.times:
            first, last = min(page.times), max(page.times)
            progress = progress_after(first, last, window, page.next_page_token, self.overlap)

        def update_bookmarks() -> None:
            for cursor, records in written:
                cursor.advance(records, progress.at if progress else None)
                if progress is not None:
                    self._save_bookmark(run, cursor, began, progress)

        pages = [(cursor.stream, records) for cursor, records in written]
        run.write_page(self, pages, update_bookmarks)

    def _log_expected(
        self,
        run: SyncRun,
        page: TimedPage,
        written: Sequence[tuple[StreamCursor, Sequence[Record]]],
    ) -> None:
        """Log the number of expected records, for streams with one record per row."""
        rows = len(page.rows) if page.next_page_token is None else page.total
        for cursor, records in written:
            one_per_row = len(cursor.stream.key) == 1 and len(records) == len(page.rows)
            if rows is not None and one_per_row:
                run.log_expected(cursor.stream, self.domain, rows)

    def _save_bookmark(
        self, run: SyncRun, cursor: StreamCursor, began: int, progress: Progress | None
    ) -> None:
        entry = self._entry(cursor, began)
        if cursor.version is not None:
            entry["version"] = cursor.version
        if progress is not None:
            entry["position"] = progress.entry()
        run.bookmarks.write(cursor.stream.name, self.domain, entry)

    def _entry(self, cursor: StreamCursor, began: int) -> dict[str, Any]:
        """Return the parts of a bookmark that do not depend on whether the read is complete."""
        entry: dict[str, Any] = {}
        if cursor.bookmark is not None:
            entry["replication_key"] = cursor.stream.replication_key or "indexed_on"
            entry["replication_key_value"] = cursor.bookmark
        entry["read_started_at"] = timestamps.to_rfc3339(timestamps.from_millis(began))
        emitted_to = None if cursor.bookmark is None else timestamps.to_millis(cursor.bookmark)
        if cursor.read_to is not None and cursor.read_to != emitted_to:
            entry["read_to"] = timestamps.to_rfc3339(timestamps.from_millis(cursor.read_to))
        if self.scope:
            entry["scope"] = self.scope
        return entry

    def _finish(self, run: SyncRun, began: int) -> None:
        def update_bookmarks() -> None:
            # Without progress, the bookmark says that its read was complete.
            for cursor in self.cursors:
                if cursor.version is None:
                    self._save_bookmark(run, cursor, began, None)

        run.write_page(self, [], update_bookmarks)
        in_full = {c.stream: self._entry(c, began) for c in self.cursors if c.version}
        if in_full:
            finish_tables(run, self.domain, in_full, self.versions)
