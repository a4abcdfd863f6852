"""Stand-ins for Postgres in tests of the target: they record the calls that they receive."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from target_scout_postgres import settings
from target_scout_postgres.encoding.encoder import Encoder
from target_scout_postgres.encoding.layout import ColumnMapping, Layout
from target_scout_postgres.encoding.stream_schema import Property, StreamSchema
from target_scout_postgres.loading.checkpointer import Checkpointer
from target_scout_postgres.loading.stream_tables import StreamTables
from target_scout_postgres.postgres.ddl import Ddl
from target_scout_postgres.postgres.schema_manager import SchemaManager
from target_scout_postgres.postgres.schema_snapshot import SchemaSnapshot, StreamVersions, Table

REQUIRED = {"database_url": "postgresql://h/d", "default_target_schema": "river"}


class RecordingDdl(Ddl):
    """Counts changes instead of making them; a column may refuse to be widened."""

    is_widening_refused = False
    changes = 0

    def alter(self, table, changes, tolerated=()):
        del table
        if tolerated and self.is_widening_refused:
            raise psycopg2.errors.FeatureNotSupported
        self.changes += len(changes)


class FakeSession:
    """What `Ddl` needs of a session that makes no changes."""

    def __init__(self, **options) -> None:
        self.settings = settings.validate(REQUIRED | options)


@dataclass
class RecordingLoader:
    """Records what the checkpointer writes."""

    events: list[Any] = field(default_factory=list)
    stored: dict[str, StreamVersions] = field(default_factory=dict)
    has_rows: bool = False
    rejected: Counter[str] = field(default_factory=Counter)

    def __post_init__(self):
        snapshot = SchemaSnapshot()
        session = FakeSession()
        self.manager = SchemaManager(session.settings, snapshot, RecordingDdl(session, snapshot))

    def start(self):
        self.events.append("start")

    def tables_of(self, stream):
        return StreamTables(stream, Table(stream))

    def sync_schema(self, tables, schema, widened):
        tables.layout = self.manager.sync_schema(tables.live, schema, widened)
        self.events.append(("sync", tables.stream, dict(tables.live.columns)))
        return tables.layout

    def reuse_layout(self, tables, layout):
        tables.layout = layout
        self.events.append(("reuse", tables.stream))

    def stored_versions(self, stream):
        return self.stored.get(stream, StreamVersions())

    def begin_version(self, tables, version, **_):
        self.events.append(("begin", tables.stream, version))

    def is_empty(self, *_, **__):
        return not self.has_rows

    def is_missing(self, *_):
        return False

    def write(self, tables, batch):
        self.events.append(("write", tables.stream, len(batch.rows), batch.is_staged))

    def withhold(self, tables, batch, epoch):
        self.events.append(("withhold", tables.stream, len(batch.rows), epoch))

    def release(self, tables, epoch):
        self.events.append(("release", tables.stream, epoch))

    def checkpoint(self, checkpoint):
        self.events.append("commit")
        self.events += [
            ("activate", tables.stream, version) for tables, version in checkpoint.activated
        ]
        self.events += [("reject", reject.stream, reject.line) for reject in checkpoint.rejects]

    def mark_failed(self):
        self.events.append("mark failed")

    def drop_withheld(self):
        self.events.append("drop withheld")

    def close(self):
        self.events.append("close")


class Loading:
    """A checkpointer above a recording loader."""

    def __init__(self, **options: Any) -> None:
        self.settings = settings.validate(REQUIRED | options)
        self.loader = RecordingLoader()
        self.checkpointer = Checkpointer(self.settings, self.loader, self._emit)

    def _emit(self, line: bytes) -> None:
        self.loader.events.append(("STATE", line.decode().strip()))

    def open(self, name: str, *key: str, has_bookmark: bool = False):
        """Open a stream with one integer column."""
        stream = self.checkpointer.open_stream(name, name)
        properties = (Property("id", "bigint", required=True),)
        stream.schema = StreamSchema(name, properties, key, has_bookmark)
        mappings = tuple(ColumnMapping(each, each.name, each.type) for each in properties)
        stream.tables.layout = Layout(mappings, key)
        stream.encoder = Encoder(stream.tables.layout)
        return stream

    def receive(self, stream, count: int = 1, size: int = 10) -> None:
        """Buffer records of a stream."""
        for _ in range(count):
            segment = stream.segment(self.checkpointer.epoch)
            if segment.has_key:
                segment.rows[segment.count] = b"row"
            else:
                segment.rows.append(b"row")
            size = stream.buffer.add(segment, 1, [b"x" * size], self.checkpointer.epoch)
            stream.versions.note_rows()
            self.checkpointer.on_buffered(stream, size)

    def wait(self, seconds: float) -> None:
        """Pretend that time has passed since the last checkpoint."""
        self.checkpointer._checked_at = time.monotonic() - seconds

    @property
    def events(self) -> list[Any]:
        """Return the events since the last call."""
        self.checkpointer._writer.call(lambda: None)
        events, self.loader.events[:] = list(self.loader.events), []
        return events
