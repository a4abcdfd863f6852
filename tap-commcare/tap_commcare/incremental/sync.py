"""Streams that are read by time: what is new since the last run, page by page, with a bookmark.

Several streams may be made of one read; each has a bookmark of its own, because each may have been
selected at another time. It must not know an endpoint.
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
    finish_tables,
    readable,
    should_restart,
)
from tap_common.messages import Record
from tap_common.stream import ApiStream
from tap_common.sync import Run

from tap_commcare.incremental.bookmarks import (
    Progress,
    Start,
    begin,
    progress_after,
    progress_of,
    resume,
)
from tap_commcare.incremental.prefetch import Prefetcher
from tap_commcare.pagination.pages import TimedPage, TimedSource
from tap_commcare.pagination.windows import Window

Expand = Callable[[Sequence[Any]], Iterable[Record]]


log = logging.getLogger(__name__)

MOMENTS = ("replication_key_value", "read_started_at", "read_to")


class StateAheadError(Exception):
    """The state speaks of a moment that has not come."""


@dataclass
class StreamCursor:
    """A stream of a read, with what it remembers."""

    stream: ApiStream
    expand: Expand
    bookmark: str | None = None
    read_to: int | None = None
    floor: int | None = None
    start: Start = field(default_factory=lambda: Start(Window(None, None)))
    start_by_time: Start = field(default_factory=lambda: Start(Window(None, None)))
    version: int | None = None

    def records(self, page: TimedPage) -> list[Record]:
        """Return the records of a page that this stream has not emitted before."""
        rows = page.rows
        if self.floor is not None:
            pairs = zip(page.rows, page.times, strict=True)
            rows = [row for row, stamp in pairs if stamp > self.floor]
        return list(self.expand(rows))

    def advance(self, records: Sequence[Record], last: int | None) -> None:
        """Move the bookmark to the latest record, never beyond."""
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
    """Reads one endpoint by time for the streams that are made of it.

    Args:
        overlap: How far before the bookmark a read begins, in milliseconds.
        start_date: The first stamp that is wanted, or None.
        scope: A digest of the filters: under other filters, what is remembered means nothing.
    """

    domain: str
    members: Sequence[StreamCursor]
    source: TimedSource
    versions: TableVersions
    overlap: int
    start_date: int | None
    scope: str
    executor: Executor | None
    width: Callable[[], int]
    streams: Sequence[ApiStream] = field(init=False)
    _pages: int = 0

    def __post_init__(self) -> None:
        self.streams = [member.stream for member in self.members]

    def sample(self, limit: int) -> Mapping[str, Iterable[Record]]:
        """Return a few records of each stream, by one request."""
        rows = self.source.page(Window(None, None), None, limit).rows
        return {member.stream.name: member.expand(rows) for member in self.members}

    def run(self, run: Run) -> None:
        """Read everything since the bookmark, and remember each page."""
        for member in self.members:
            self._recall(run, member)
            run.begin(member.stream, member.version)
        start = self._common_start()
        try:
            self._read_known(run, start)
        except POSITION_ERRORS as error:
            is_resumed = start.more is not None and not self._pages
            names = " and ".join(stream.name for stream in self.streams)
            if not is_resumed or not should_restart(error, names, self.domain):
                raise
            self._read_known(run, self.members[0].start_by_time)

    def _read_known(self, run: Run, start: Start) -> None:
        """Read from where the state says, or everything where it speaks of the future."""
        try:
            self._read(run, start)
        except StateAheadError:
            self._read(run, self._common_start())

    def _read(self, run: Run, start: Start) -> None:
        started = 0
        ahead = Prefetcher(self.source, self.executor, self.width)
        for window, page in ahead.pages(start):
            if not started:
                started = timestamps.milliseconds(page.asked_at)
                self._check(start, page, started)
            self._write(run, window, page, started)
            self._pages += 1
        self._finish(run, started)

    def _check(self, start: Start, page: TimedPage, now: int) -> None:
        """Make sure, before anything is written, that the state can be what this tap wrote.

        Raises:
            StateAheadError: It says that what is still to come has been read; that is forgotten.
            ShapeError: It names a place that nothing follows.
        """
        if start.more is not None and not page.rows:
            raise UnexpectedResponseError("nothing follows the place.")
        since = -1 if self.start_date is None else self.start_date - 1
        ahead = [m for m in self.members if m.floor is not None and m.floor > max(now, since)]
        for member in ahead:
            log.warning(
                "%s of %s: the state says that it was read to a moment that has not come yet; it is"
                " read anew",
                member.stream.name,
                self.domain,
            )
            member.bookmark = member.read_to = None
            member.start = member.start_by_time = begin(None, None, self.overlap, self.start_date)
            member.floor = member.start.floor
        if ahead:
            raise StateAheadError

    def _recall(self, run: Run, member: StreamCursor) -> None:
        entry = run.bookmarks.read(member.stream.name, self.domain)
        if member.stream.is_full_table:
            member.version = self.versions.of(member.stream)
            entry = self.versions.entry(member.stream, self.domain)
        if entry.get("scope", self.scope) != self.scope:
            entry = {}
        entry = readable(entry, MOMENTS, member.stream.name, self.domain)
        member.bookmark = entry.get("replication_key_value")
        read_to = entry.get("read_to", member.bookmark)
        member.read_to = timestamps.stamp(read_to) if read_to else None
        begun = entry.get("read_started_at")
        started = timestamps.stamp(begun) if begun else None
        # What we write of an unfinished read always says when it began.
        progress = None if started is None else progress_of(entry)
        latest = member.read_to if progress is None else progress.at
        member.start_by_time = begin(latest, started, self.overlap, self.start_date)
        member.start = member.start_by_time
        if progress is not None and started is not None:
            member.start = resume(progress, started, self.overlap, self.start_date)
        member.floor = member.start.floor

    def _common_start(self) -> Start:
        """Return where all members can begin: where they are if alike, else at the earliest."""
        first = self.members[0].start
        if all(member.start == first for member in self.members):
            return first
        for member in self.members:
            if member.start.more is not None:
                # Its place inside a window is of no use to the others.
                member.start = member.start_by_time
                member.floor = member.start.floor
        floors = [member.floor for member in self.members]
        lowest = None if None in floors else min(floor for floor in floors if floor is not None)
        return Start(Window(lowest, None))

    def _write(self, run: Run, window: Window, page: TimedPage, started: int) -> None:
        pages = [(member, member.records(page)) for member in self.members]
        if not self._pages and window.is_open:
            self._expect(run, page, pages)
        progress = None
        if page.times:
            first, last = min(page.times), max(page.times)
            progress = progress_after(first, last, window, page.more, self.overlap)

        def remember() -> None:
            for member, records in pages:
                member.advance(records, progress.at if progress else None)
                if progress is not None:
                    self._remember(run, member, started, progress)

        run.write_page(self, [(member.stream, records) for member, records in pages], remember)

    def _expect(
        self, run: Run, page: TimedPage, pages: Sequence[tuple[StreamCursor, Sequence[Record]]]
    ) -> None:
        """Say how many records are to come of streams that have one for each row."""
        rows = len(page.rows) if page.more is None else page.total
        for member, records in pages:
            if rows is not None and len(member.stream.key) == 1 and len(records) == len(page.rows):
                run.expect(member.stream, self.domain, rows)

    def _remember(
        self, run: Run, member: StreamCursor, started: int, progress: Progress | None
    ) -> None:
        entry = self._entry(member, started)
        if member.version is not None:
            entry["version"] = member.version
        if progress is not None:
            entry["position"] = progress.entry()
        run.bookmarks.write(member.stream.name, self.domain, entry)

    def _entry(self, member: StreamCursor, started: int) -> dict[str, Any]:
        """Return what is remembered of a stream, however its read ended."""
        entry: dict[str, Any] = {}
        if member.bookmark is not None:
            entry["replication_key"] = member.stream.replication_key or "indexed_on"
            entry["replication_key_value"] = member.bookmark
        entry["read_started_at"] = timestamps.spell(timestamps.moment(started))
        known = None if member.bookmark is None else timestamps.stamp(member.bookmark)
        if member.read_to is not None and member.read_to != known:
            entry["read_to"] = timestamps.spell(timestamps.moment(member.read_to))
        if self.scope:
            entry["scope"] = self.scope
        return entry

    def _finish(self, run: Run, started: int) -> None:
        def remember() -> None:
            for member in self.members:
                if member.version is None:
                    self._remember(run, member, started, None)

        run.write_page(self, [], remember)
        in_full = {m.stream: self._entry(m, started) for m in self.members if m.version}
        if in_full:
            finish_tables(run, self.domain, in_full, self.versions)
