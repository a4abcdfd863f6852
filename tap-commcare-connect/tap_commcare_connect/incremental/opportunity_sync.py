"""Streams that are read in full, opportunity by opportunity, under one version.

A version is activated only if every opportunity could be read: a target then removes the rows that
were not read, also those of an opportunity that failed. If one fails, the others are read without a
version, which adds and changes rows but removes none. See docs/decisions/0011-record-key.md.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

from tap_common.full_table import TableVersions, finish_tables, stored_version
from tap_common.messages import AnyRecord
from tap_common.stream import ApiStream
from tap_common.sync import SyncRun
from tap_common.timestamps import to_rfc3339
from typing_extensions import override

from tap_commcare_connect.account_index import AccountIndex, AccountIndexLoader, Opportunity
from tap_commcare_connect.incremental.bookmarks import Entry, ReadProgress, stored_ids
from tap_commcare_connect.incremental.per_opportunity import (
    Failure,
    OpportunitiesFailedError,
    not_listed,
    read_each,
)
from tap_commcare_connect.pagination.keyset import KeysetList
from tap_commcare_connect.record_keys import DuplicateCounter
from tap_commcare_connect.streams.base import ConnectStream

MAX_SAMPLED = 5


@dataclass
class OpportunitySync(abc.ABC):
    """Reads one part of each opportunity, for the streams that are derived from it.

    Args:
        members: The streams; they are complete together, or not at all.
        account: What the account can see.
        versions: The versions of this run.
        scope: The settings that decide what is read.
        executor: Reads several opportunities at the same time; None if they are read in sequence.
        max_in_flight: How many opportunities may be read at the same time.
        domain: Empty: an account has no domains.
    """

    members: Sequence[ConnectStream]
    account: AccountIndexLoader
    versions: TableVersions
    scope: list[Any]
    executor: Executor | None
    max_in_flight: int
    domain: str = ""
    progress: ReadProgress = field(init=False)
    unversioned_progress: ReadProgress = field(init=False)
    failed: list[int] = field(init=False)
    """The opportunities that the last run failed to read; they are read first."""
    has_version: bool = True
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        self.streams = list(self.members)

    @abc.abstractmethod
    def read(self, run: SyncRun, opportunity: Opportunity) -> None:
        """Read the rest of one opportunity."""

    @abc.abstractmethod
    def sample_of(self, opportunity: Opportunity, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        """Return a few records of one opportunity."""

    def sample(self, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        """Return a few records of each stream, from the first opportunity that has any."""
        found: dict[str, list[AnyRecord]] = {}
        for opportunity in self.account.get().opportunities[:MAX_SAMPLED]:
            for name, records in self.sample_of(opportunity, limit).items():
                found[name] = found.get(name) or list(records)
            if all(found.get(stream.name) for stream in self.streams):
                break
        return found

    def run(self, run: SyncRun) -> None:
        """Read everything under one version; if that fails, read what is possible without."""
        self._load_bookmarks(run)
        index = self.account.get()
        failures = [not_listed(opportunity) for opportunity in index.not_listed]
        # Without one of the wanted opportunities no version can be complete, so none is begun: its
        # rows would be read twice.
        failures = failures or self._read_version(run, index)
        if failures:
            self._read_without_version(run, index, failures)
        finish_tables(run, self.domain, {s: {} for s in self.streams}, self.versions)

    def _read_version(self, run: SyncRun, index: AccountIndex) -> list[Failure]:
        """Read the unfinished opportunities; stop when the version can no longer be completed."""
        left = [o for o in index.opportunities if o.id not in self.progress.done]
        # What failed last time is tried first: if it fails again, nothing else was read in vain.
        doubtful = [o for o in left if o.id in self.failed]
        others = [o for o in left if o.id not in self.failed]
        return self._each(run, doubtful, stops=False) or self._each(run, others, stops=True)

    def _read_without_version(
        self, run: SyncRun, index: AccountIndex, failures: list[Failure]
    ) -> NoReturn:
        """Read what is possible without a version: rows become visible, and none are removed."""
        failed = {failure.opportunity for failure in failures}
        self.failed = sorted(failed)
        self.has_version = False
        self.progress = self.unversioned_progress  # what carried the version has to be read again
        with run.output.transaction():
            for stream in self.streams:
                stream.begin(None)
        done = self.progress.done
        left = [o for o in index.opportunities if o.id not in failed and o.id not in done]
        failures += self._each(run, left, stops=False)
        self.failed = sorted(failure.opportunity for failure in failures)
        # Written even if nothing could be read: the next run tries first what failed in this one.
        run.write_page(self, [], lambda: self._save_bookmarks(run, {}))
        raise OpportunitiesFailedError(failures, is_all=not done)

    def _each(
        self, run: SyncRun, opportunities: Sequence[Opportunity], *, stops: bool
    ) -> list[Failure]:
        return read_each(
            opportunities,
            lambda opportunity: self.read(run, opportunity),
            self.executor,
            self.max_in_flight,
            stops=stops,
        )

    def write(
        self,
        run: SyncRun,
        opportunity: int,
        records: Sequence[tuple[ConnectStream, Iterable[AnyRecord]]],
        last_id: int | None,
    ) -> None:
        """Write a page of one opportunity, and record the progress."""

        def update_bookmarks() -> None:
            self.progress.advance(opportunity, last_id)
            # Two names, because the reads do not continue each other: a version counts only what
            # was read under it.
            name = "position" if self.has_version else "partial"
            self._save_bookmarks(run, {name: self.progress.entry()})

        run.write_page(self, records, update_bookmarks)

    def _save_bookmarks(self, run: SyncRun, entry: Entry) -> None:
        for stream in self.streams:
            name = "version" if self.has_version else "last_version"
            # An abandoned version is stored as the last one: it must never be resumed, and the next
            # version must be larger.
            bookmark = {name: self.versions.version(stream), **entry}
            bookmark |= {"failed": self.failed} if self.failed else {}
            run.bookmarks.write(stream.name, self.domain, bookmark)

    def _load_bookmarks(self, run: SyncRun) -> None:
        now = datetime.now(UTC)
        names = [stream.name for stream in self.streams]
        entries = [run.bookmarks.read(name, self.domain) for name in names]
        self.failed = sorted({id_ for entry in entries for id_ in stored_ids(entry.get("failed"))})
        versioned = [
            entry if stored_version(entry, "version", name) else {}
            for name, entry in zip(names, entries, strict=True)
        ]
        self.progress = self._common_progress(versioned, "position", now)
        self.unversioned_progress = self._common_progress(entries, "partial", now)
        if not self.progress.is_resumed:
            # The rows of the old version never count; the new one must only be larger.
            for name, entry in zip(names, entries, strict=True):
                last = stored_version(entry, "version", name) or entry.get("last_version")
                if last:
                    kept = {k: v for k, v in entry.items() if k in {"partial", "failed"}}
                    run.bookmarks.write(name, self.domain, {**kept, "last_version": last})
        for stream in self.streams:
            run.begin(stream, self.versions.version(stream))

    def _common_progress(self, entries: Sequence[Entry], name: str, now: datetime) -> ReadProgress:
        """Return the progress that all streams share, or a new one."""
        stored = [ReadProgress.stored(entry.get(name), self.scope, now) for entry in entries]
        first = stored[0]  # they differ if one of the streams was selected or reset meanwhile
        if first is not None and all(progress == first for progress in stored):
            return first
        return ReadProgress(to_rfc3339(now), self.scope)


@dataclass
class ListSync(OpportunitySync):
    """Reads one list of each opportunity, for one stream."""

    list_of: Callable[[int], KeysetList] = field(kw_only=True)

    @property
    def stream(self) -> ConnectStream:
        """The stream."""
        return self.members[0]

    @override
    def read(self, run: SyncRun, opportunity: Opportunity) -> None:
        with closing(DuplicateCounter()) as duplicates:
            self._read_pages(run, opportunity.id, duplicates)

    def _read_pages(self, run: SyncRun, opportunity: int, duplicates: DuplicateCounter) -> None:
        source = self.list_of(opportunity)
        written_to = source.verified(self.progress.last_id(opportunity), self.stream.name)
        after = written_to
        if self.stream.identity:
            after = self._recount(source, opportunity, duplicates, written_to)

        def read(after: int | None) -> int | None:
            page = source.page(after)
            records = self.stream.records(page.rows, opportunity, duplicates)
            self.write(run, opportunity, [(self.stream, records)], page.last_id)
            return page.last_id

        # A function call per page, so that its memory is freed before the next one is requested.
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
        """Count the duplicates among rows that were written before an interruption.

        Without these counts, duplicates after the interruption would get other keys. Only pages
        have ids, not rows: a page that ends after the stored id is written again.
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
