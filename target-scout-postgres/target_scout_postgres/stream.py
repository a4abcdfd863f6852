"""One stream of a run, as the parsing side sees it: its encoder, its buffer, its counts."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

from target_scout_postgres.books import Load
from target_scout_postgres.sink import Batch

if TYPE_CHECKING:
    from target_scout_postgres.catalog import Standing
    from target_scout_postgres.encoder import Encoder
    from target_scout_postgres.messages import StreamSchema
    from target_scout_postgres.sink import Sink


MOST_KNOWN = 8  # schemas of one stream that are remembered


class Known(NamedTuple):
    """What a schema led to, as long as the table has these columns."""

    columns: dict[str, str]
    encoder: Encoder
    wider: dict[str, str]


class Segment:
    """Rows without key between two STATE messages."""

    def __init__(self, epoch: int, is_staged: bool) -> None:  # noqa: FBT001 - made in one place
        self.epoch = epoch
        self.is_staged = is_staged
        self.rows: list[bytes] = []


class Stream:
    """A stream between its SCHEMA messages and the writing thread."""

    def __init__(self, name: str, sink: Sink) -> None:
        self.name = name
        self.sink = sink
        self.schema_line = b""
        self.schema: StreamSchema | None = None
        self.wider: dict[str, str] = {}
        self.encoder: Encoder | None = None
        self.known: dict[StreamSchema, Known] = {}
        self.prefix: bytes | None = None
        self.keyed: dict[Any, bytes] = {}
        self.segments: list[Segment] = []
        self.buffered_bytes = 0
        self.buffered_rows = 0
        self.first_line = 0
        self.last_line = 0
        # versions: what messages carry, what is live, what is being gathered in this run
        self.expected: int | None = None
        self.active: int | None = None
        self.loading: int | None = None
        self.announced: int | None = None
        self.pending: int | None = None  # without key: activated with the STATE that covers it
        self.is_staged = False
        self.holds = False  # rows without key were handed over before a STATE covered them
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

    def remember(self, schema: StreamSchema) -> None:
        """Remember what a schema led to: some taps let two of them take turns."""
        if self.encoder is None:
            return
        if len(self.known) >= MOST_KNOWN:
            self.known.clear()
        self.known[schema] = Known(dict(self.sink.live.columns), self.encoder, dict(self.wider))

    def resume(self, standing: Standing) -> None:
        """Go on where an earlier run has ended.

        A tap that began a version with its records prints ACTIVATE_VERSION behind them, also in a
        run that resumes at the very end and has no record left.
        """
        self.active, self.loading, is_announced = standing
        if self.loading is not None and not is_announced:
            self.loaded.add(self.loading)

    def segment(self, epoch: int) -> Segment:
        """Return the segment that rows of this epoch go into."""
        last = self.segments[-1] if self.segments else None
        if last is None or last.epoch != epoch or last.is_staged != self.is_staged:
            last = Segment(epoch, self.is_staged)
            self.segments.append(last)
        return last

    def is_done(self, version: int) -> bool:
        """Tell whether a version is live, or is about to be."""
        return version in (self.active, self.pending)

    def is_older(self, version: int) -> bool:
        """Tell whether a version is older than the one that is live or being loaded.

        A newer version that only an earlier run has loaded does not make the live one old.
        """
        if self.active is not None and version < self.active:
            return True
        is_live = version == self.active and not self.is_staged
        return self.loading is not None and version < self.loading and not is_live

    def become_live(self, version: int | None) -> None:
        """Take the version that was gathered as the live one; what comes next goes there."""
        self.is_staged = False
        self.active = version
        self.loading = self.announced = self.pending = None
        for part in self.segments:
            part.is_staged = False

    def take_keyed(self) -> Batch | None:
        """Hand over the buffered rows of a keyed stream."""
        if not self.keyed:
            return None
        batch = Batch(list(self.keyed.values()), self.is_staged, (self.first_line, self.last_line))
        self.keyed = {}
        self._emptied()
        return batch

    def take_segments(self) -> list[tuple[Batch, int]]:
        """Hand over the buffered rows of a stream without key, each part with its epoch."""
        lines = (self.first_line, self.last_line)
        taken = [(Batch(part.rows, part.is_staged, lines), part.epoch) for part in self.segments]
        self.segments = []
        self._emptied()
        return [(batch, epoch) for batch, epoch in taken if batch.rows]

    def take_covered(self, epoch: int) -> list[Batch]:
        """Hand over the buffered rows without key that a STATE covers; the others stay."""
        lines = (self.first_line, self.last_line)
        covered = [part for part in self.segments if part.epoch <= epoch]
        self.segments = [part for part in self.segments if part.epoch > epoch]
        if not self.segments:
            self._emptied()
        return [Batch(part.rows, part.is_staged, lines) for part in covered if part.rows]

    def _emptied(self) -> None:
        self.buffered_bytes = self.buffered_rows = 0
        self.first_line = 0

    def load(self, status: str) -> Load:
        """Return the entry for `_scout_loads`."""
        version = self.loading if self.loading is not None else self.active
        return Load(self.name, self.rows, self.bytes, self.started_at, version, status)
