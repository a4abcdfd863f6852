"""One stream of a run, as the parsing thread sees it: schema, encoder, buffer, versions, counts."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

from target_scout_postgres.encoding.encoder import metadata_fields
from target_scout_postgres.loading.buffers import StreamBuffer
from target_scout_postgres.loading.load_log import Load, LoadStatus
from target_scout_postgres.loading.version_tracker import VersionTracker

if TYPE_CHECKING:
    from target_scout_postgres.encoding.encoder import Encoder
    from target_scout_postgres.encoding.stream_schema import StreamSchema
    from target_scout_postgres.loading.buffers import BufferSegment
    from target_scout_postgres.loading.stream_tables import StreamTables


class Stream:
    """A stream between its SCHEMA messages and the writer thread."""

    def __init__(self, name: str, tables: StreamTables, *, keeps_lines: bool) -> None:
        self.name = name
        self.tables = tables
        self.schema: StreamSchema | None = None
        self.encoder: Encoder | None = None
        self.prefix: bytes | None = None  # how its RECORD lines begin, if they are recognisable
        self.buffer = StreamBuffer(keeps_lines=keeps_lines)
        self.versions = VersionTracker()
        self.dropped = 0  # records of outdated versions
        self.rejected = 0
        self._started_at = dt.datetime.now(dt.UTC)

    @property
    def has_key(self) -> bool:
        """Return whether records are merged by a key."""
        return bool(self.tables.layout.key)

    @property
    def has_records(self) -> bool:
        """Return whether this run has received a record."""
        return bool(self.buffer.received_rows or self.dropped or self.rejected)

    def segment(self, epoch: int) -> BufferSegment:
        """Return the segment of the buffer for rows of this epoch."""
        # Flat, because it is called for each run of lines.
        last, is_staged = self.buffer.last, self.versions.is_staged
        if last and last.is_staged == is_staged and not (last.waits and last.epoch != epoch):
            return last
        if self.encoder is None:
            raise RuntimeError("rows before a schema")
        waits = self.versions.waits(has_key=bool(self.encoder.layout.key))
        return self.buffer.new_segment(self.encoder, epoch, is_staged=is_staged, waits=waits)

    def count_rejected(self) -> None:
        """Count a record that was rejected."""
        self.rejected += 1
        self.buffer.has_changed = True

    def promote(self, version: int | None) -> None:
        """Make a staged version the active one; later rows go to the live table."""
        self.versions.promote(version)
        self.buffer.redirect_to_live()

    def metadata_fields(self, started: float) -> bytes:
        """Return the fields of the _sdc_ columns for records that are received now."""
        metadata = self.tables.layout.metadata
        if not metadata:
            return b""
        version = self.versions.loading or self.versions.expected
        return metadata_fields(metadata, time.time(), version, started)

    def load(self, status: LoadStatus) -> Load:
        """Return the entry for `_scout_loads`."""
        rows, size = self.buffer.received_rows, self.buffer.received_bytes
        return Load(self.name, rows, size, self._started_at, self.versions.current, status)
