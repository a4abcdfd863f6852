"""Tables that are read in full: a version per read, resumed when it was cut short, activated last.

A version covers all domains of a run, since they share a table: it is activated when the last of
them is complete. It must not know any API's way of paging.
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
from tap_common.sync import Run

log = logging.getLogger(__name__)

Position = dict[str, Any]
Expand = Callable[[Sequence[Any]], Iterable[Record]]

PASSES = 4
# What a place raises that has expired, or that another release or server has written.
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
SKEW_SECONDS = 3600.0
"""By so much a clock may be wrong: what lies later has been written by something else."""


class ListChangedError(Exception):
    """A list changed while it was read, so that some of its rows may have been missed."""


@dataclass(frozen=True)
class ListPage:
    """A page of a list."""

    rows: Sequence[Any]
    following: Position | None
    """Where the next page is, or None after the last."""


class ListSource(Protocol):
    """Something that is read page by page."""

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return the page at a position; the first without one.

        Raises:
            ListChangedError: The list has to be read again from its beginning.
        """


class TableVersions:
    """The versions of all tables that this run reads in full.

    Args:
        bookmarks: What is remembered.
        domains: The domains that have to be complete before a version is activated.
    """

    def __init__(self, bookmarks: Bookmarks, domains: Sequence[str]) -> None:
        self._bookmarks = bookmarks
        self._domains = tuple(domains)
        self._lock = threading.Lock()
        self._chosen: dict[str, int] = {}
        self._pending: dict[str, set[str]] = {}

    def of(self, stream: ApiStream) -> int:
        """Return the version of this run: one that was begun before, or a new one."""
        with self._lock:
            if stream.name not in self._chosen:
                now = int(time.time() * 1000)
                entries = [self._bookmarks.read(stream.name, domain) for domain in self._domains]
                begun = [version_in(entry, "version", stream.name) for entry in entries]
                last = [version_in(entry, "last_version", stream.name) for entry in entries]
                new = max(now, max(last, default=0) + 1)
                self._chosen[stream.name] = max(begun, default=0) or new
                self._pending[stream.name] = set(self._domains)
            return self._chosen[stream.name]

    def entry(self, stream: ApiStream, domain: str) -> Entry:
        """Return what is remembered of this version; empty if it was another."""
        entry = self._bookmarks.read(stream.name, domain)
        return entry if entry.get("version") == self.of(stream) else {}

    def complete(self, stream: ApiStream, domain: str) -> bool:
        """Note that a domain is complete; tell whether all are."""
        with self._lock:
            self._pending[stream.name].discard(domain)
            return not self._pending[stream.name]

    def remember_complete(self, stream: ApiStream, domain: str, kept: Entry) -> None:
        """Remember a complete domain, with what else is kept of it, or that all are."""
        version = self._chosen[stream.name]
        if self._pending[stream.name]:
            done = {"version": version, "is_complete": True, "completed_at": int(time.time())}
            self._bookmarks.write(stream.name, domain, kept | done)
            return
        self._bookmarks.write(stream.name, domain, kept)
        for each in self._domains:
            entry = self._bookmarks.read(stream.name, each)
            left = {name: value for name, value in entry.items() if name not in VERSION_FIELDS}
            self._bookmarks.write(stream.name, each, left | {"last_version": version})


def should_restart(error: Exception, names: str, domain: str) -> bool:
    """Tell whether a remembered place is of no use any more, and say so in the log.

    Without a connection nothing is known about it.
    """
    if isinstance(error, UnreachableError) or not isinstance(error, POSITION_ERRORS):
        return False
    log.warning(
        "%s of %s: the server does not go on where the last run stopped (%s); read again from the"
        " last place that is sure",
        names,
        domain,
        error.cause if isinstance(error, ApiError) else type(error).__name__,
    )
    return True


def _number(entry: Entry, name: str) -> int:
    """Return a number of a state that others may have written; 0 if it is none."""
    value = entry.get(name)
    return value if type(value) is int else 0


def version_in(entry: Entry, name: str, stream: str) -> int:
    """Return a version of a state; 0 if there is none that this tap can have given."""
    value = _number(entry, name)
    if 0 <= value <= (time.time() + SKEW_SECONDS) * 1000 and type(entry.get(name, 0)) is int:
        return value
    log.warning("%s: the state's %s is none that this tap gave; it is left out", stream, name)
    return 0


def was_completed(entry: Entry) -> bool:
    """Return whether this domain was completed a short while ago, under the same version."""
    age = time.time() - _number(entry, "completed_at")
    return entry.get("is_complete") is True and -SKEW_SECONDS < age < FRESH_SECONDS


def readable(entry: Entry, moments: Collection[str], stream: str, domain: str) -> Entry:
    """Return an entry of a state without what should be a moment and is none."""
    found = timestamps.without_invalid(entry, moments)
    if len(found) < len(entry):
        names = ", ".join(sorted(entry.keys() - found.keys()))
        log.warning(
            "%s of %s: the state's %s cannot be read; what it says is read again",
            stream,
            domain,
            names,
        )
    return found


@dataclass
class FullTableSync:
    """Reads a list from its beginning to its end for the streams that are made of it.

    Args:
        members: Each stream with what makes its records of the list's rows.
        scope: A digest of the settings that decide what the list holds.
    """

    domain: str
    members: Sequence[tuple[ApiStream, Expand]]
    source: ListSource
    versions: TableVersions
    scope: str = ""
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        self.streams = [stream for stream, _ in self.members]

    def sample(self, limit: int) -> Mapping[str, Iterable[Record]]:
        """Return a few records of each stream, by one request."""
        rows = self.source.page(None, limit).rows
        return {stream.name: expand(rows) for stream, expand in self.members}

    def run(self, run: Run) -> None:
        """Read all pages; again from the first if the list changed meanwhile."""
        entries = [self.versions.entry(stream, self.domain) for stream in self.streams]
        for stream in self.streams:
            run.begin(stream, self.versions.of(stream))
        if all(was_completed(entry) for entry in entries):
            finish_tables(run, self.domain, {s: {} for s in self.streams}, self.versions)
            return
        position = self._resume(entries)
        for _ in range(PASSES):
            try:
                self._pass(run, position)
            except ListChangedError:
                position = None
                continue
            return
        raise UnavailableError(
            f"The list behind {self._names} changed during each of {PASSES} reads.",
            "Run again at a quieter time; no older rows were removed.",
        )

    @property
    def _names(self) -> str:
        return " and ".join(stream.name for stream in self.streams)

    def _resume(self, entries: Sequence[Entry]) -> Position | None:
        positions = [e.get("position") for e in entries if e.get("scope", "") == self.scope]
        first = positions[0] if positions else None
        is_shared = len(positions) == len(entries) and all(p == first for p in positions)
        return first if is_shared and isinstance(first, dict) else None

    def _pass(self, run: Run, position: Position | None) -> None:
        is_resumed = position is not None
        while True:
            try:
                page = self.source.page(position)
            except POSITION_ERRORS as error:
                if is_resumed and should_restart(error, self._names, self.domain):
                    raise ListChangedError from None
                raise
            is_resumed, position = False, page.following
            run.write_page(
                self,
                [(stream, expand(page.rows)) for stream, expand in self.members],
                partial(self._remember, run, position),
            )
            if position is None:
                return

    def _remember(self, run: Run, position: Position | None) -> None:
        """Remember where the next page is, or that there is none: then a version is complete."""
        if position is None:
            complete(self.domain, {s: {} for s in self.streams}, self.versions)
            return
        for stream in self.streams:
            entry = {"version": self.versions.of(stream), "position": position}
            if self.scope:
                entry["scope"] = self.scope
            run.bookmarks.write(stream.name, self.domain, entry)


def finish_tables(
    run: Run, domain: str, streams: Mapping[ApiStream, Entry], versions: TableVersions
) -> None:
    """Note that a domain's tables are complete, without a page."""
    with run.output.interruption.held(), run.output.lock:
        complete(domain, streams, versions)
        run.output.write_state(run.bookmarks.state)


def complete(domain: str, streams: Mapping[ApiStream, Entry], versions: TableVersions) -> None:
    """Note that a domain's tables are complete; activate those whose other domains are, too.

    What else is to be remembered of a stream, such as a bookmark, comes with it. For the last page:
    so no record stands without a state behind it.
    """
    for stream, kept in streams.items():
        if versions.complete(stream, domain):
            stream.activate()
        versions.remember_complete(stream, domain, kept)
