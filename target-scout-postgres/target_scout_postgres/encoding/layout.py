"""Maps the properties of a stream to columns, and orders the columns for copying.

Pure: made from a stream's schema and the columns of its table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from target_scout_postgres.encoding.column_types import BIGINT, BOOLEAN, DATE, JSONB, TIMESTAMPTZ

if TYPE_CHECKING:
    from target_scout_postgres.encoding.stream_schema import Property

DELETED_AT = "_sdc_deleted_at"
OVERFLOW = "_scout_overflow"
MAX_COLUMNS = 1600

# The columns of add_record_metadata, as the SDK names and types them.
METADATA = (
    ("_sdc_extracted_at", TIMESTAMPTZ),
    ("_sdc_received_at", TIMESTAMPTZ),
    ("_sdc_batched_at", TIMESTAMPTZ),
    (DELETED_AT, TIMESTAMPTZ),
    ("_sdc_sequence", BIGINT),
    ("_sdc_table_version", BIGINT),
    ("_sdc_sync_started_at", BIGINT),
)
METADATA_TYPES = dict(METADATA)

# Fixed-width columns come first, so that one struct call packs all of them.
FIXED_WIDTH = (BIGINT, TIMESTAMPTZ, DATE, BOOLEAN)


class ColumnMapping(msgspec.Struct, frozen=True):
    """A property, and the column for its values."""

    source: Property
    column: str
    type: str


class Layout(msgspec.Struct, frozen=True):
    """The columns that a stream's rows are copied into, in this order.

    First ``mappings``; then ``cleared``, columns that hold older variants of a property and are set
    to null when their row is written again; then ``metadata``, each column with the name of what
    fills it; last the overflow column, if any property is in ``overflow``.
    """

    mappings: tuple[ColumnMapping, ...]
    key: tuple[str, ...]
    cleared: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    overflow: tuple[Property, ...] = ()
    soft_delete_column: str | None = None
    deletes_marked: bool = False  # a record with _sdc_deleted_at deletes the row of its key

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the copied columns, in order."""
        names = [mapping.column for mapping in self.mappings]
        last = [OVERFLOW] if self.uses_overflow else []
        return (*names, *self.cleared, *(column for _, column in self.metadata), *last)

    @property
    def types(self) -> dict[str, str]:
        """Return the type that each column is encoded as; cleared columns have none."""
        types = {mapping.column: mapping.type for mapping in self.mappings}
        types |= {column: METADATA_TYPES[name] for name, column in self.metadata}
        return types | ({OVERFLOW: JSONB} if self.uses_overflow else {})

    @property
    def deletion_mark(self) -> ColumnMapping | None:
        """Return the mapping of the property by which a source marks a row as deleted."""
        marks = (mapping for mapping in self.mappings if mapping.source.name == DELETED_AT)
        return next(marks, None)

    @property
    def uses_overflow(self) -> bool:
        """Return whether the overflow column is filled; without properties it is the only one."""
        return bool(self.overflow) or not self.mappings

    @property
    def key_mappings(self) -> tuple[ColumnMapping, ...]:
        """Return the mappings of the key, in the key's order."""
        by_column = {mapping.column: mapping for mapping in self.mappings}
        return tuple(by_column[name] for name in self.key)
