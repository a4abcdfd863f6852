"""Chooses the layout of each stream, and remembers the layouts of its earlier schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from target_scout_postgres import logs
from target_scout_postgres.encoding.column_types import BIGINT, NUMERIC, TIMESTAMPTZ
from target_scout_postgres.encoding.encoder import Encoder
from target_scout_postgres.encoding.layout import DELETED_AT
from target_scout_postgres.encoding.stream_schema import Property

if TYPE_CHECKING:
    from target_scout_postgres.encoding.stream_schema import StreamSchema
    from target_scout_postgres.loading.checkpointer import Checkpointer
    from target_scout_postgres.loading.stream import Stream

MAX_KNOWN = 8  # schemas of one stream that are remembered: some taps alternate between two


class KnownSchema(NamedTuple):
    """The layout and encoder of a schema, valid while the table has these columns."""

    columns: dict[str, str]
    encoder: Encoder
    widened: dict[str, str]


class LayoutMemory:
    """What is known about one stream in addition to its schema."""

    def __init__(self) -> None:
        self.known: dict[StreamSchema, KnownSchema] = {}
        self.widened: dict[str, str] = {}  # types of properties whose values need a wider one
        self.has_undeclared_mark = False  # records have _sdc_deleted_at, which the schema lacks


class StreamLayouts:
    """The layouts of all streams of a run."""

    def __init__(self, checkpointer: Checkpointer) -> None:
        self._checkpointer = checkpointer
        self._memories: dict[str, LayoutMemory] = {}

    def on_schema(self, stream: Stream, schema: StreamSchema) -> None:
        """Choose the layout of a stream for a new schema."""
        memory = self._memories.setdefault(stream.name, LayoutMemory())
        stream.schema = schema
        if self._reuse(stream, memory, schema):
            return
        integers = {property_.name for property_ in schema.properties if property_.type == BIGINT}
        memory.widened = {name: memory.widened[name] for name in memory.widened if name in integers}
        self._lay_out(stream, memory)

    def widen(self, stream: Stream, name: str) -> None:
        """Make room for integers of more than 64 bits in a property."""
        logs.info(f"{stream.name}: the property {name} exceeds 64 bits")
        memory = self._memories[stream.name]
        memory.widened[name] = NUMERIC
        self._lay_out(stream, memory)

    def add_deletion_mark(self, stream: Stream) -> None:
        """Add a column for the deletion mark that the schema does not declare."""
        memory = self._memories[stream.name]
        memory.has_undeclared_mark = True
        self._lay_out(stream, memory)

    def _reuse(self, stream: Stream, memory: LayoutMemory, schema: StreamSchema) -> bool:
        """Return to the encoder of an earlier schema, unless the table has changed since."""
        known = memory.known.get(schema)
        if known is None or known.columns != stream.tables.live.columns:
            return False
        if known.encoder.layout.key != stream.tables.layout.key:
            return False
        self._checkpointer.reuse_encoder(stream, known.encoder)
        stream.encoder, memory.widened = known.encoder, dict(known.widened)
        return True

    def _lay_out(self, stream: Stream, memory: LayoutMemory) -> None:
        schema = stream.schema
        if schema is None:
            return
        declared = schema
        if memory.has_undeclared_mark:
            schema = schema.with_property(Property(DELETED_AT, TIMESTAMPTZ))
        layout = self._checkpointer.sync_schema(stream, schema, memory.widened)
        stream.encoder = Encoder(layout)
        if len(memory.known) >= MAX_KNOWN:
            memory.known.clear()
        columns = dict(stream.tables.live.columns)
        memory.known[declared] = KnownSchema(columns, stream.encoder, dict(memory.widened))
