"""One stream of a run, as the parsing side sees it: its encoder, its buffer, its counts."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from target_scout_postgres.encoding.encoder import metadata_suffix
from target_scout_postgres.loading.load_log import Load
from target_scout_postgres.loading.source_lines import Origin
from target_scout_postgres.loading.stream_tables import Batch

if TYPE_CHECKING:
    from target_scout_postgres.encoding.encoder import Encoder
    from target_scout_postgres.encoding.stream_schema import StreamSchema
    from target_scout_postgres.loading.stream_tables import Sink
    from target_scout_postgres.postgres.schema_snapshot import Standing


MOST_SEEN = 50  # versions of one stream that are remembered
MOST_KNOWN = 8  # schemas of one stream that are remembered


class Known(NamedTuple):
    """What a schema led to, as long as the table has these columns."""

    columns: dict[str, str]
    encoder: Encoder
    wider: dict[str, str]


class Part:
    """Buffered rows of one stream for one place: of one epoch, if they wait for its STATE."""

    def __init__(self, stream: Stream, encoder: Encoder, epoch: int) -> None:
        self.epoch = epoch  # of the first row
        self.is_staged = stream.is_staged
        self.encoder = encoder
        self.is_keyed = bool(encoder.layout.key)
        # With a key, a record may come again; the next run drops a stage that has no version.
        self.waits = not (self.is_keyed or (stream.is_staged and stream.loading is None))
        self.rows: Any = {} if self.is_keyed else []
        self.origin = Origin(encoder) if stream.keeps_lines else None
        self.removes = False
        self.count = 0  # records; rows with the same key are one
        self.size = 0
        self.lines = (0, 0)

    def add(self, number: int, lines: Sequence[bytes], size: int) -> None:
        """Count the lines of rows that were added, from a line's number on."""
        self.lines = (self.lines[0] or number, number + len(lines) - 1)
        self.count += len(lines)
        self.size += size
        if self.origin is not None:
            self.origin.add(number, lines)

    def batch(self) -> Batch:
        """Return the rows as a batch."""
        rows = list(self.rows.values()) if self.is_keyed else self.rows
        layout = self.encoder.layout
        return Batch(rows, layout, self.is_staged, self.lines, self.removes, self.origin)


class Stream:
    """A stream between its SCHEMA messages and the writing thread."""

    def __init__(self, name: str, sink: Sink, *, keeps_lines: bool) -> None:
        self.name = name
        self.sink = sink
        self.schema_line = b""
        self.schema: StreamSchema | None = None
        self.wider: dict[str, str] = {}
        self.encoder: Encoder | None = None
        self.known: dict[StreamSchema, Known] = {}
        self.prefix: bytes | None = None
        self.keeps_lines = keeps_lines  # to keep what Postgres refuses
        self.parts: list[Part] = []
        self.buffered_bytes = 0
        self.buffered_rows = 0
        self.held: list[int] = []  # epochs of batches that wait for a STATE, oldest first
        self.is_marked = False  # its records have _sdc_deleted_at, which its schema does not name
        # versions: what messages carry, what is live, what is being gathered in this run
        self.expected: int | None = None
        self.active: int | None = None
        self.loading: int | None = None
        self.announced: int | None = None
        self.pending: int | None = None  # waits for the STATE that covers it
        self.is_begun = False  # this run has come to the version that is being gathered
        self.is_staged = False
        self.is_replaced = False  # the clean end of a run replaces the table
        self.seen: list[int] = []  # versions that came before, the last ones
        self.loaded: set[int] = set()  # versions whose next ACTIVATE_VERSION is meant
        # books
        self.rows = 0
        self.bytes = 0
        self.dropped = 0
        self.refused = 0
        self.started_at = dt.datetime.now(dt.UTC)
        self.is_changed = True
        self.last_epoch = 0

    @property
    def is_keyed(self) -> bool:
        """Tell whether records are merged by a key."""
        return bool(self.sink.layout.key)

    @property
    def has_come(self) -> bool:
        """Return whether a record has come in this run."""
        return bool(self.rows or self.dropped or self.refused)

    def remember(self) -> None:
        """Remember what the schema led to: some taps let two of them take turns."""
        if self.encoder is None or self.schema is None:
            return
        if len(self.known) >= MOST_KNOWN:
            self.known.clear()
        self.known[self.schema] = Known(
            dict(self.sink.live.columns), self.encoder, dict(self.wider)
        )

    def resume(self, standing: Standing) -> None:
        """Go on where an earlier run has ended.

        A tap that began a version with its records prints ACTIVATE_VERSION behind them, also in a
        run that resumes at the very end and has no record left.
        """
        self.active, self.loading, is_announced, seen = standing
        self.seen = list(seen)
        if self.loading is not None and not is_announced:
            self.loaded.add(self.loading)

    def part(self, epoch: int) -> Part:
        """Return the part of the buffer that rows of this epoch go into."""
        last = self.parts[-1] if self.parts else None
        if last and last.is_staged == self.is_staged and not (last.waits and last.epoch != epoch):
            return last
        if self.encoder is None:
            raise RuntimeError("rows before a schema")
        self.parts.append(Part(self, self.encoder, epoch))
        return self.parts[-1]

    def is_done(self, version: int) -> bool:
        """Tell whether a version is live, or is about to be."""
        return version in (self.active, self.pending)

    def is_older(self, version: int) -> bool:
        """Return whether a version is older than the one that is live or being loaded.

        A lower number alone does not make a version older than the live one: it must have been
        here before, or a newer one of this run is being loaded. A newer version that only an
        earlier run has loaded does not make the live one old.
        """
        if self.active is not None and version < self.active and version in self.seen:
            return True
        is_live = version == self.active and not self.is_staged
        is_begun = self.is_begun and self.loading is not None
        return is_begun and version < (self.loading or 0) and not is_live

    def is_lower(self, version: int) -> bool:
        """Return whether a version is new, and yet lower than the live one."""
        return self.active is not None and version < self.active

    def leave(self, version: int | None) -> None:
        """Remember a version that another one takes the place of."""
        if version is not None and version not in self.seen:
            self.seen = [*self.seen, version][-MOST_SEEN:]

    def become_live(self, version: int | None) -> None:
        """Take the version that was gathered as the live one; what comes next goes there."""
        self.is_staged = False
        if version != self.active:
            self.leave(self.active)
        self.active = version
        self.loading = self.announced = self.pending = None
        for part in self.parts:
            part.is_staged = False

    def suffix(self, started: float) -> bytes:
        """Return the fields of the _sdc_ columns for records that are received now."""
        metadata = self.sink.layout.metadata
        if not metadata:
            return b""
        return metadata_suffix(metadata, time.time(), self.loading or self.expected, started)

    def take(self, covered: int | None) -> list[Part]:
        """Take the buffered rows that need not wait: those that a STATE covers; None: all."""
        if covered is None:
            taken, self.parts = self.parts, []
        else:
            ready = [p for p in self.parts if p.epoch <= covered or not (p.waits or self.held)]
            self.parts = [p for p in self.parts if p not in ready]
            taken = ready
        self.buffered_bytes = sum(part.size for part in self.parts)
        self.buffered_rows = sum(part.count for part in self.parts)
        return taken

    def load(self, status: str) -> Load:
        """Return the entry for `_scout_loads`."""
        version = self.loading if self.loading is not None else self.active
        return Load(self.name, self.rows, self.bytes, self.started_at, version, status)
