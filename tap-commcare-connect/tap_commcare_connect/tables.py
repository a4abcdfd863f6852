"""Streams that are read in full, opportunity by opportunity, under one version.

A version is activated when every opportunity could be read, and not otherwise: rows of one that
could not be read would be removed.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dimagi_api.full_table import Versions, finish_versions
from dimagi_api.messages import Record
from dimagi_api.stream import ApiStream
from dimagi_api.sync import Run
from dimagi_api.timestamps import spell
from typing_extensions import override

from tap_commcare_connect.discovery import Discovery, Opportunity
from tap_commcare_connect.keyset import KeysetList
from tap_commcare_connect.parts import PartsFailedError, lost, read_parts
from tap_commcare_connect.positions import Position
from tap_commcare_connect.record_keys import Twins
from tap_commcare_connect.stream import ConnectStream

SAMPLED = 5


@dataclass
class PartedReading(abc.ABC):
    """Reads one part of each opportunity for the streams that are made of it.

    Args:
        members: They are complete together, or not at all.
        scope: The settings that decide what is read.
        executor: Reads several opportunities at the same time; None reads one after the other.
        width: How many of this reading may wait or be under way.
    """

    members: Sequence[ConnectStream]
    discovery: Discovery
    versions: Versions
    scope: list[Any]
    executor: Executor | None
    width: int
    domain: str = ""
    position: Position = field(init=False)
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        """Tell which streams are read."""
        self.streams = list(self.members)

    @abc.abstractmethod
    def read(self, run: Run, opportunity: Opportunity) -> None:
        """Read one opportunity from where it stands to its end."""

    @abc.abstractmethod
    def sample_of(self, opportunity: Opportunity, limit: int) -> Mapping[str, Iterable[Record]]:
        """Return a few records of one opportunity."""

    def sample(self, limit: int) -> Mapping[str, Iterable[Record]]:
        """Return a few records of each stream, of the first opportunity that has any."""
        found: dict[str, list[Record]] = {}
        for opportunity in self.discovery.get().opportunities[:SAMPLED]:
            for name, records in self.sample_of(opportunity, limit).items():
                found[name] = found.get(name) or list(records)
            if all(found.get(stream.name) for stream in self.streams):
                break
        return found

    def run(self, run: Run) -> None:
        """Read what is not done yet, and activate the version if nothing failed."""
        self._recall(run)
        everything = self.discovery.get()
        left = [o for o in everything.opportunities if o.id not in self.position.done]
        failures = read_parts(left, lambda o: self.read(run, o), self.executor, self.width)
        failures += [lost(opportunity) for opportunity in everything.lost]
        if failures:
            # The next run begins anew: what was read by then would be out of date.
            run.write_page(self, [], lambda: self._forget(run))
            raise PartsFailedError(failures, is_all=len(failures) >= len(left))
        finish_versions(run, self.domain, {s: {} for s in self.streams}, self.versions)

    def write(
        self,
        run: Run,
        opportunity: int,
        records: Sequence[tuple[ConnectStream, Iterable[Record]]],
        last_id: int | None,
    ) -> None:
        """Write a page of one opportunity, and remember it."""

        def remember() -> None:
            self.position.advance(opportunity, last_id)
            for stream in self.streams:
                entry = {
                    "version": self.versions.of(stream),
                    "position": self.position.entry(),
                }
                run.bookmarks.write(stream.name, self.domain, entry)

        run.write_page(self, records, remember)

    def _recall(self, run: Run) -> None:
        now = datetime.now(UTC)
        names = [stream.name for stream in self.streams]
        entries = [run.bookmarks.read(name, self.domain) for name in names]
        positions = [Position.of(entry, self.scope, now) for entry in entries]
        first = positions[0]
        if first is not None and all(position == first for position in positions):
            self.position = first
        else:
            self.position = Position(spell(now), self.scope)
            for name, entry in zip(names, entries, strict=True):
                last = entry.get("version", entry.get("last_version"))
                if last:
                    run.bookmarks.write(name, self.domain, {"last_version": last})
        for stream in self.streams:
            run.begin(stream, self.versions.of(stream))

    def _forget(self, run: Run) -> None:
        for stream in self.streams:
            entry = {"last_version": self.versions.of(stream)}
            run.bookmarks.write(stream.name, self.domain, entry)


@dataclass
class TableReading(PartedReading):
    """Reads one list of each opportunity for one stream."""

    list_of: Callable[[int], KeysetList] = field(kw_only=True)

    @property
    def stream(self) -> ConnectStream:
        """The one stream."""
        return self.members[0]

    @override
    def read(self, run: Run, opportunity: Opportunity) -> None:
        with closing(Twins()) as twins:
            self._crawl(run, opportunity.id, twins)

    def _crawl(self, run: Run, opportunity: int, twins: Twins) -> None:
        source = self.list_of(opportunity)
        written_to = self.position.after(opportunity)
        after = written_to
        if self.stream.identity:
            after = self._recount(source, opportunity, twins, written_to)
        while True:
            page = source.page(after)
            records = self.stream.records(page.rows, opportunity, twins)
            self.write(run, opportunity, [(self.stream, records)], page.last_id)
            after = page.last_id
            if after is None:
                return

    def _recount(
        self, source: KeysetList, opportunity: int, twins: Twins, written_to: int | None
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
            for _ in self.stream.records(page.rows, opportunity, twins):
                pass
            after = page.last_id
        return after

    @override
    def sample_of(self, opportunity: Opportunity, limit: int) -> Mapping[str, Iterable[Record]]:
        rows = self.list_of(opportunity.id).page(None, limit).rows
        with closing(Twins()) as twins:
            records = list(self.stream.records(rows, opportunity.id, twins))
        return {self.stream.name: records}
