"""Which property of a stream goes into which column, and in which order the columns are copied.

Pure: made from a stream's schema and the columns that the table has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from target_scout_postgres.encoding.column_types import BIGINT, BOOLEAN, DATE, JSONB, TIMESTAMPTZ

if TYPE_CHECKING:
    from target_scout_postgres.encoding.stream_schema import Property

DELETED_AT = "_sdc_deleted_at"
OVERFLOW = "_scout_overflow"
MOST_COLUMNS = 1600

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

# Columns of a fixed width are copied first, side by side, so that they are packed together.
FIXED_WIDTH = (BIGINT, TIMESTAMPTZ, DATE, BOOLEAN)


class Place(msgspec.Struct, frozen=True):
    """A property and the column that takes its values."""

    source: Property
    column: str
    type: str


class Layout(msgspec.Struct, frozen=True):
    """The columns that a stream's rows are copied into.

    ``places`` come first, then ``nulls``: columns that hold older variants of a property and are
    emptied when their row is written again. Then the columns of ``metadata``, each with the name of
    what fills it; then the overflow column, if any property is in ``overflow``.
    """

    places: tuple[Place, ...]
    key: tuple[str, ...]
    nulls: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    overflow: tuple[Property, ...] = ()
    deleted_at: str | None = None  # the column that marks rows of a soft delete
    removes: bool = False  # a record whose _sdc_deleted_at is set removes the row of its key

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the copied columns, in order."""
        names = [place.column for place in self.places]
        last = [OVERFLOW] if self.has_overflow else []
        return (*names, *self.nulls, *(column for _, column in self.metadata), *last)

    @property
    def types(self) -> dict[str, str]:
        """Return the types of the copied columns as their values are encoded; of nulls, none."""
        found = {place.column: place.type for place in self.places}
        found |= {column: METADATA_TYPES[name] for name, column in self.metadata}
        return found | ({OVERFLOW: JSONB} if self.has_overflow else {})

    @property
    def mark(self) -> Place | None:
        """Return the place of the property by which a source says that a row is deleted."""
        return next((place for place in self.places if place.source.name == DELETED_AT), None)

    @property
    def has_overflow(self) -> bool:
        """Tell whether the overflow column is filled; a stream without properties is all that."""
        return bool(self.overflow) or not self.places

    @property
    def key_places(self) -> tuple[Place, ...]:
        """Return the places of the key, in the key's order."""
        found = {place.column: place for place in self.places}
        return tuple(found[name] for name in self.key)
