"""Lists that can be filtered by date but not ordered by it: locations.

The bookmark moves only when all pages of a read have come, since a later page may hold earlier
rows. An interrupted read goes on at the next page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tap_common import timestamps
from tap_common.bookmarks import Entry
from tap_common.errors import UnavailableError
from tap_common.full_table import (
    PASSES,
    POSITION_ERRORS,
    ListChangedError,
    ListSource,
    Position,
    TableVersions,
    complete,
    readable,
    should_restart,
)
from tap_common.messages import Record
from tap_common.stream import ApiStream
from tap_common.sync import Run

log = logging.getLogger(__name__)

MOMENTS = ("replication_key_value", "read_started_at", "latest", "since")


@dataclass
class DateFilteredSync:
    """Reads what changed in a list since the bookmark.

    Args:
        source: Returns the list of rows changed at or after a moment; None for all of them.
        make: Makes records of rows.
        overlap: How far before the bookmark to begin, in milliseconds.
        start_date: The first moment that is wanted, or None.
    """

    domain: str
    stream: ApiStream
    source: Callable[[str | None], ListSource]
    make: Callable[[Sequence[Any]], Iterable[Record]]
    versions: TableVersions
    overlap: int
    start_date: int | None
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        self.streams = [self.stream]

    def sample(self, limit: int) -> Mapping[str, Iterable[Record]]:
        """Return a few records."""
        return {self.stream.name: self.make(self.source(None).page(None, limit).rows)}

    def run(self, run: Run) -> None:
        """Read all pages; again from the first if the list changed meanwhile."""
        entry = run.bookmarks.read(self.stream.name, self.domain)
        if self.stream.is_full_table:
            entry = self.versions.entry(self.stream, self.domain)
            entry["version"] = self.versions.of(self.stream)
        entry = self._plausible(entry)
        run.begin(self.stream, entry.get("version"))
        position = entry.get("position")
        if not isinstance(position, dict) or "read_started_at" not in entry:
            position = None
            entry["since"] = self._since(entry)
            entry["read_started_at"] = timestamps.spell(datetime.now(UTC))
        source = self.source(entry.get("since"))
        for _ in range(PASSES):
            try:
                self._pass(run, source, entry, position)
            except ListChangedError:
                position = None
                continue
            return
        raise UnavailableError(
            f"The list behind {self.stream.name} changed during each of {PASSES} reads.",
            "Run again at a quieter time.",
        )

    def _plausible(self, entry: Entry) -> Entry:
        """Return what is remembered, unless it speaks of what has not come yet."""
        entry = readable(entry, MOMENTS, self.stream.name, self.domain)
        now = timestamps.milliseconds(datetime.now(UTC)) + self.overlap
        began = entry.get("read_started_at") or entry.get("replication_key_value")
        is_ahead = began is not None and timestamps.stamp(began) > now
        since = timestamps.stamp(entry["since"]) if entry.get("since") else now
        if not is_ahead and since <= max(now, self.start_date or 0):
            return entry
        log.warning(
            "%s of %s: the state says that it was read at a moment that has not come yet; it is"
            " read anew",
            self.stream.name,
            self.domain,
        )
        return {name: value for name, value in entry.items() if name == "version"}

    def _since(self, entry: Entry) -> str | None:
        known = entry.get("replication_key_value")
        if known is None or self.stream.is_full_table:
            start = self.start_date
        else:
            begun = entry.get("read_started_at") or known
            since = min(timestamps.stamp(known), timestamps.stamp(begun)) - self.overlap
            start = since if self.start_date is None else max(since, self.start_date)
        return None if start is None else timestamps.spell(timestamps.moment(start))[:-1]

    def _pass(self, run: Run, source: ListSource, entry: Entry, position: Position | None) -> None:
        is_resumed = position is not None
        while True:
            try:
                page = source.page(position)
            except POSITION_ERRORS as error:
                if is_resumed and should_restart(error, self.stream.name, self.domain):
                    raise ListChangedError from None
                raise
            is_resumed, position = False, page.following
            records = list(self.make(page.rows))
            times = [r["last_modified"] for r in records if r["last_modified"] is not None]
            if entry.get("latest"):
                times.append(entry["latest"])
            if times:
                entry["latest"] = max(times, key=timestamps.parse)
            entry["position"] = position
            run.write_page(self, [(self.stream, records)], partial(self._remember, run, entry))
            if position is None:
                return

    def _remember(self, run: Run, entry: Entry) -> None:
        if entry["position"] is None:
            self._finish(run, entry)
        else:
            run.bookmarks.write(self.stream.name, self.domain, dict(entry))

    def _finish(self, run: Run, entry: Entry) -> None:
        known = [entry.get("latest"), entry.get("replication_key_value")]
        values = [value for value in known if value]
        done: Entry = {"read_started_at": entry["read_started_at"]}
        if values:
            done["replication_key"] = "last_modified"
            done["replication_key_value"] = max(values, key=timestamps.parse)
        if self.stream.is_full_table:
            complete(self.domain, {self.stream: done}, self.versions)
        else:
            run.bookmarks.write(self.stream.name, self.domain, done)
