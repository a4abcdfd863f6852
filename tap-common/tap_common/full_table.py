"""Tables that are read in full: one version per read, resumed when interrupted, activated last.

A version covers all domains of a run, because they share a table: it is activated when the last of
them is complete. This module does not know how an API pages.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from tap_common import timestamps
from tap_common.bookmarks import Bookmarks, Entry
from tap_common.errors import (
    ApiError,
    NotFoundError,
    RequestRejectedError,
    UnavailableError,
    UnexpectedResponseError,
    UnreachableError,
)
from tap_common.messages import Record
from tap_common.stream import ApiStream
from tap_common.sync import SyncRun

log = logging.getLogger(__name__)

Position = dict[str, Any]
"""The position of a page in a list; stored in the state unchanged."""
ToRecords = Callable[[Sequence[Any]], Iterable[Record]]

MAX_PASSES = 4
# Raised for a stored position that has expired, or was written for another release or server.
POSITION_ERRORS = (
    RequestRejectedError,
    NotFoundError,
    UnexpectedResponseError,
    UnavailableError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
)
VERSION_FIELDS = frozenset({"version", "position", "is_complete", "completed_at", "last_version"})
FRESH_SECONDS = 86400.0
CLOCK_SKEW_SECONDS = 3600.0
"""How far a clock may be wrong: this tap has not written what lies further in the future."""


class ListChangedError(Exception):
    """A list changed while it was read, so that some of its rows may have been missed."""


@dataclass(frozen=True)
class ListPage:
    """A page of a list."""

    rows: Sequence[Any]
    next_position: Position | None
    """The position of the next page; None after the last."""


class ListSource(Protocol):
    """A list that is read page by page."""

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return the page at a position; without one, the first page.

        Raises:
            ListChangedError: The list has to be read again from its beginning.
        """


class TableVersions:
    """The versions of all tables that this run reads in full.

    Args:
        bookmarks: The bookmarks of the run.
        domains: The domains that must be complete before a version is activated.
    """

    def __init__(self, bookmarks: Bookmarks, domains: Sequence[str]) -> None:
        self._bookmarks = bookmarks
        self._domains = tuple(domains)
        self._lock = threading.Lock()
        self._versions: dict[str, int] = {}
        self._incomplete: dict[str, set[str]] = {}

    def version(self, stream: ApiStream) -> int:
        """Return the version of this run: an unfinished one from the state, or a new one."""
        with self._lock:
            if stream.name not in self._versions:
                now = int(time.time() * 1000)
                entries = [self._bookmarks.read(stream.name, domain) for domain in self._domains]
                # An interrupted version continues: the rows that were emitted under it still count.
                begun = [stored_version(entry, "version", stream.name) for entry in entries]
                last = [stored_version(entry, "last_version", stream.name) for entry in entries]
                # Targets ignore a version that is not larger than the one before.
                new = max(now, max(last, default=0) + 1)
                self._versions[stream.name] = max(begun, default=0) or new
                self._incomplete[stream.name] = set(self._domains)
            return self._versions[stream.name]

    def bookmark(self, stream: ApiStream, domain: str) -> Entry:
        """Return the bookmark of a domain; empty if it belongs to another version."""
        entry = self._bookmarks.read(stream.name, domain)
        return entry if entry.get("version") == self.version(stream) else {}

    def mark_complete(self, stream: ApiStream, domain: str) -> bool:
        """Record that a domain is complete; return whether all are."""
        with self._lock:
            self._incomplete[stream.name].discard(domain)
            return not self._incomplete[stream.name]

    def save_complete(self, stream: ApiStream, domain: str, extra: Entry) -> None:
        """Write the bookmark of a complete domain; if all are complete, end the version."""
        version = self._versions[stream.name]
        if self._incomplete[stream.name]:
            done = {"version": version, "is_complete": True, "completed_at": int(time.time())}
            self._bookmarks.write(stream.name, domain, extra | done)
            return
        self._bookmarks.write(stream.name, domain, extra)
        for each in self._domains:
            entry = self._bookmarks.read(stream.name, each)
            rest = {name: value for name, value in entry.items() if name not in VERSION_FIELDS}
            self._bookmarks.write(stream.name, each, rest | {"last_version": version})


def should_restart(error: Exception, streams: str, domain: str) -> bool:
    """Return whether a stored position is unusable, and log it.

    While the server cannot be reached, nothing is known about the position.
    """
    if isinstance(error, UnreachableError) or not isinstance(error, POSITION_ERRORS):
        return False
    log.warning(
        "%s of %s: the server does not resume where the last run stopped (%s); reading again from"
        " the last bookmark",
        streams,
        domain,
        error.cause if isinstance(error, ApiError) else type(error).__name__,
    )
    return True


def _number(entry: Entry, name: str) -> int:
    """Return a number in a bookmark that another program may have written; 0 if it is not one."""
    value = entry.get(name)
    return value if type(value) is int else 0


def stored_version(entry: Entry, name: str, stream: str) -> int:
    """Return a version in a bookmark; 0 if it is missing or this tap cannot have written it."""
    value = _number(entry, name)
    is_number = type(entry.get(name, 0)) is int
    if is_number and 0 <= value <= (time.time() + CLOCK_SKEW_SECONDS) * 1000:
        return value
    log.warning("%s: ignoring %s in the state, which this tap did not write", stream, name)
    return 0


def was_completed(entry: Entry) -> bool:
    """Return whether this domain was completed recently, under the same version."""
    age = time.time() - _number(entry, "completed_at")
    return entry.get("is_complete") is True and -CLOCK_SKEW_SECONDS < age < FRESH_SECONDS


def drop_invalid_timestamps(
    entry: Entry, names: Collection[str], stream: str, domain: str
) -> Entry:
    """Return a bookmark without the named items, if they are not timestamps."""
    valid = timestamps.without_invalid(entry, names)
    if len(valid) < len(entry):
        log.warning(
            "%s of %s: ignoring invalid timestamps in the state (%s); reading that part again",
            stream,
            domain,
            ", ".join(sorted(entry.keys() - valid.keys())),
        )
    return valid


@dataclass
class FullTableSync:
    """Reads a list from beginning to end, for the streams that are derived from it.

    Args:
        domain: The domain of the list.
        members: Each stream with what turns the list's rows into its records.
        source: The list.
        versions: The versions of this run.
        scope: A digest of the settings that decide what the list contains.
    """

    domain: str
    members: Sequence[tuple[ApiStream, ToRecords]]
    source: ListSource
    versions: TableVersions
    scope: str = ""
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        self.streams = [stream for stream, _ in self.members]

    def sample(self, limit: int) -> Mapping[str, Iterable[Record]]:
        """Return a few records of each stream, with one request."""
        rows = self.source.page(None, limit).rows
        return {stream.name: to_records(rows) for stream, to_records in self.members}

    def run(self, run: SyncRun) -> None:
        """Read all pages, again from the first one if the list changes meanwhile."""
        entries = [self.versions.bookmark(stream, self.domain) for stream in self.streams]
        for stream in self.streams:
            run.begin(stream, self.versions.version(stream))
        if all(was_completed(entry) for entry in entries):
            # An earlier run completed this domain, but not the other domains of the version.
            finish_tables(run, self.domain, {s: {} for s in self.streams}, self.versions)
            return
        position = self._stored_position(entries)
        for _ in range(MAX_PASSES):
            try:
                self._read_pages(run, position)
            except ListChangedError:
                position = None
                continue
            return
        raise UnavailableError(
            f"The list behind {self._names} changed during each of {MAX_PASSES} reads.",
            "Run again at a quieter time; no older rows were removed.",
        )

    @property
    def _names(self) -> str:
        return " and ".join(stream.name for stream in self.streams)

    def _stored_position(self, entries: Sequence[Entry]) -> Position | None:
        """Return the position to resume at, if all streams stopped at the same one."""
        positions = [e.get("position") for e in entries if e.get("scope", "") == self.scope]
        first = positions[0] if positions else None
        is_shared = len(positions) == len(entries) and all(p == first for p in positions)
        return first if is_shared and isinstance(first, dict) else None

    def _read_pages(self, run: SyncRun, position: Position | None) -> None:
        is_resumed = position is not None
        while True:
            try:
                page = self.source.page(position)
            except POSITION_ERRORS as error:
                # Only the first page has a stored position; later errors are caused by the server.
                if is_resumed and should_restart(error, self._names, self.domain):
                    raise ListChangedError from None
                raise
            is_resumed, position = False, page.next_position
            run.write_page(
                self,
                [(stream, to_records(page.rows)) for stream, to_records in self.members],
                partial(self._update_bookmarks, run, position),
            )
            if position is None:
                return

    def _update_bookmarks(self, run: SyncRun, position: Position | None) -> None:
        if position is None:
            complete_tables(self.domain, {s: {} for s in self.streams}, self.versions)
            return
        for stream in self.streams:
            entry = {"version": self.versions.version(stream), "position": position}
            if self.scope:
                entry["scope"] = self.scope
            run.bookmarks.write(stream.name, self.domain, entry)


def finish_tables(
    run: SyncRun, domain: str, streams: Mapping[ApiStream, Entry], versions: TableVersions
) -> None:
    """Complete a domain's tables without writing a page, and write the state."""
    with run.output.transaction():
        complete_tables(domain, streams, versions)
        run.output.write_state(run.bookmarks.state)


def complete_tables(
    domain: str, streams: Mapping[ApiStream, Entry], versions: TableVersions
) -> None:
    """Mark a domain's tables as complete, and activate those whose other domains are too.

    Called with the last page, so that the state after it already says so.

    Args:
        domain: The domain that is complete.
        streams: Its streams, each with what else its bookmark contains.
        versions: The versions of this run.
    """
    for stream, extra in streams.items():
        if versions.mark_complete(stream, domain):
            stream.activate()
        versions.save_complete(stream, domain, extra)
