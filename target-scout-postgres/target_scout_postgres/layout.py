"""Which property of a stream goes into which column, and in which order the columns are copied.

Pure: made from a stream's schema and the columns that the table has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from target_scout_postgres.column_types import BIGINT, BOOLEAN, DATE, TIMESTAMPTZ

if TYPE_CHECKING:
    from target_scout_postgres.messages import Property

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
    emptied when their row is written again. Then ``metadata``; then the overflow column, if any
    property is in ``overflow``.
    """

    places: tuple[Place, ...]
    key: tuple[str, ...]
    nulls: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    overflow: tuple[Property, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the copied columns, in order."""
        names = [place.column for place in self.places]
        last = [OVERFLOW] if self.has_overflow else []
        return (*names, *self.nulls, *self.metadata, *last)

    @property
    def has_overflow(self) -> bool:
        """Tell whether the overflow column is filled; a stream without properties is all that."""
        return bool(self.overflow) or not self.places

    @property
    def key_places(self) -> tuple[Place, ...]:
        """Return the places of the key, in the key's order."""
        found = {place.column: place for place in self.places}
        return tuple(found[name] for name in self.key)
