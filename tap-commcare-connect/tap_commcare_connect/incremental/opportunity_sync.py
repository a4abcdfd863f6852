"""Streams that are read in full, opportunity by opportunity, under one version.

A version is activated when every opportunity could be read, and not otherwise: rows of one that
could not be read would be removed. Then the others are read without a version, which adds and
changes rows, and removes none. See docs/decisions/0011-record-key.md.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

from tap_common.full_table import TableVersions, finish_tables, version_in
from tap_common.messages import AnyRecord
from tap_common.stream import ApiStream
from tap_common.sync import Run
from tap_common.timestamps import spell
from typing_extensions import override

from tap_commcare_connect.account_index import AccountIndex, AccountIndexCache, Opportunity
from tap_commcare_connect.incremental.bookmarks import Entry, ReadProgress, ids_of
from tap_commcare_connect.incremental.per_opportunity import (
    Failure,
    OpportunitiesFailedError,
    lost,
    read_each,
)
from tap_commcare_connect.pagination.keyset import KeysetList
from tap_commcare_connect.record_keys import DuplicateCounter
from tap_commcare_connect.streams.base import ConnectStream

SAMPLED = 5


@dataclass
class OpportunitySync(abc.ABC):
    """Reads one part of each opportunity for the streams that are made of it.

    Args:
        members: They are complete together, or not at all.
        scope: The settings that decide what is read.
        executor: Reads several opportunities at the same time; None reads one after the other.
        width: How many of this reading may wait or be under way.
    """

    members: Sequence[ConnectStream]
    discovery: AccountIndexCache
    versions: TableVersions
    scope: list[Any]
    executor: Executor | None
    width: int
    domain: str = ""
    position: ReadProgress = field(init=False)
    partial: ReadProgress = field(init=False)
    failed: list[int] = field(init=False)
    """What could not be read the last time: it is tried first."""
    has_version: bool = True
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        """Tell which streams are read."""
        self.streams = list(self.members)

    @abc.abstractmethod
    def read(self, run: Run, opportunity: Opportunity) -> None:
        """Read one opportunity from where it stands to its end."""

    @abc.abstractmethod
    def sample_of(self, opportunity: Opportunity, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        """Return a few records of one opportunity."""

    def sample(self, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        """Return a few records of each stream, of the first opportunity that has any."""
        found: dict[str, list[AnyRecord]] = {}
        for opportunity in self.discovery.get().opportunities[:SAMPLED]:
            for name, records in self.sample_of(opportunity, limit).items():
                found[name] = found.get(name) or list(records)
            if all(found.get(stream.name) for stream in self.streams):
                break
        return found

    def run(self, run: Run) -> None:
        """Read everything under one version, or what can be read under none."""
        self._recall(run)
        everything = self.discovery.get()
        failures = [lost(opportunity) for opportunity in everything.lost]
        failures = failures or self._read_version(run, everything)
        if failures:
            self._read_rest(run, everything, failures)
        finish_tables(run, self.domain, {s: {} for s in self.streams}, self.versions)

    def _read_version(self, run: Run, everything: AccountIndex) -> list[Failure]:
        """Read all that is not done yet; end when the version cannot be complete any more."""
        left = [o for o in everything.opportunities if o.id not in self.position.done]
        doubtful = [o for o in left if o.id in self.failed]
        others = [o for o in left if o.id not in self.failed]
        return self._each(run, doubtful, stops=False) or self._each(run, others, stops=True)

    def _read_rest(self, run: Run, everything: AccountIndex, failures: list[Failure]) -> NoReturn:
        """Read what can be read without a version, so that it is seen and removes nothing."""
        failed = {failure.opportunity for failure in failures}
        self.failed = sorted(failed)
        self.has_version = False
        self.position = self.partial
        with run.output.interruption.held(), run.output.lock:
            for stream in self.streams:
                stream.begin(None)
        done = self.position.done
        left = [o for o in everything.opportunities if o.id not in failed and o.id not in done]
        failures += self._each(run, left, stops=False)
        self.failed = sorted(failure.opportunity for failure in failures)
        run.write_page(self, [], lambda: self._remember(run, {}))
        raise OpportunitiesFailedError(failures, is_all=not done)

    def _each(
        self, run: Run, opportunities: Sequence[Opportunity], *, stops: bool
    ) -> list[Failure]:
        return read_each(
            opportunities, lambda o: self.read(run, o), self.executor, self.width, stops=stops
        )

    def write(
        self,
        run: Run,
        opportunity: int,
        records: Sequence[tuple[ConnectStream, Iterable[AnyRecord]]],
        last_id: int | None,
    ) -> None:
        """Write a page of one opportunity, and remember it."""

        def remember() -> None:
            self.position.advance(opportunity, last_id)
            name = "position" if self.has_version else "partial"
            self._remember(run, {name: self.position.entry()})

        run.write_page(self, records, remember)

    def _remember(self, run: Run, entry: Entry) -> None:
        for stream in self.streams:
            name = "version" if self.has_version else "last_version"
            held = {name: self.versions.of(stream), **entry}
            held |= {"failed": self.failed} if self.failed else {}
            run.bookmarks.write(stream.name, self.domain, held)

    def _recall(self, run: Run) -> None:
        now = datetime.now(UTC)
        names = [stream.name for stream in self.streams]
        entries = [run.bookmarks.read(name, self.domain) for name in names]
        self.failed = sorted({id_ for entry in entries for id_ in ids_of(entry.get("failed"))})
        begun = [
            entry if version_in(entry, "version", name) else {}
            for name, entry in zip(names, entries, strict=True)
        ]
        self.position = self._shared(begun, "position", now)
        self.partial = self._shared(entries, "partial", now)
        if not self.position.is_continued:
            for name, entry in zip(names, entries, strict=True):
                last = version_in(entry, "version", name) or entry.get("last_version")
                if last:
                    kept = {k: v for k, v in entry.items() if k in {"partial", "failed"}}
                    run.bookmarks.write(name, self.domain, {**kept, "last_version": last})
        for stream in self.streams:
            run.begin(stream, self.versions.of(stream))

    def _shared(self, entries: Sequence[Entry], name: str, now: datetime) -> ReadProgress:
        """Return a position that all streams share, or a new one."""
        positions = [ReadProgress.of(entry.get(name), self.scope, now) for entry in entries]
        first = positions[0]
        if first is not None and all(position == first for position in positions):
            return first
        return ReadProgress(spell(now), self.scope)


@dataclass
class ListSync(OpportunitySync):
    """Reads one list of each opportunity for one stream."""

    list_of: Callable[[int], KeysetList] = field(kw_only=True)

    @property
    def stream(self) -> ConnectStream:
        """The one stream."""
        return self.members[0]

    @override
    def read(self, run: Run, opportunity: Opportunity) -> None:
        with closing(DuplicateCounter()) as duplicates:
            self._crawl(run, opportunity.id, duplicates)

    def _crawl(self, run: Run, opportunity: int, duplicates: DuplicateCounter) -> None:
        source = self.list_of(opportunity)
        written_to = source.verified_position(self.position.after(opportunity), self.stream.name)
        after = written_to
        if self.stream.identity:
            after = self._recount(source, opportunity, duplicates, written_to)

        def read(after: int | None) -> int | None:
            page = source.page(after)
            records = self.stream.records(page.rows, opportunity, duplicates)
            self.write(run, opportunity, [(self.stream, records)], page.last_id)
            return page.last_id

        # One page is gone before the next is asked for.
        after = read(after)
        while after is not None:
            after = read(after)

    def _recount(
        self,
        source: KeysetList,
        opportunity: int,
        duplicates: DuplicateCounter,
        written_to: int | None,
    ) -> int | None:
        """Count the twins among rows that were written before an interruption.

        Rows do not show their ids, only pages do: a page that ends beyond the place is left to be
        written again.
        """
        after: int | None = None
        while written_to is not None:
            page = source.page(after)
            if page.last_id is None or page.last_id > written_to:
                return after
            for _ in self.stream.records(page.rows, opportunity, duplicates):
                pass
            after = page.last_id
        return after

    @override
    def sample_of(self, opportunity: Opportunity, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        rows = self.list_of(opportunity.id).page(None, limit).rows
        with closing(DuplicateCounter()) as duplicates:
            records = list(self.stream.records(rows, opportunity.id, duplicates))
        return {self.stream.name: records}
