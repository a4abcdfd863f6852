"""Rows that do not fit a page of Postgres, 8 kB: some of their values go to the overflow column.

Large values are no problem: Postgres moves them out of the row. Hundreds of small ones are.
Runs in the writing thread. Postgres itself makes JSON of the values: each type has one rendering.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from target_scout_postgres import logs
from target_scout_postgres.encoding import binary_copy
from target_scout_postgres.encoding.column_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    TIME,
    TIMESTAMPTZ,
    UUID,
)
from target_scout_postgres.encoding.layout import OVERFLOW, Layout
from target_scout_postgres.postgres import row_statements, statements
from target_scout_postgres.postgres.identifiers import own

if TYPE_CHECKING:
    from target_scout_postgres.postgres.schema_manager import Tables
    from target_scout_postgres.postgres.session import Session

ROW_BYTES = 6_500  # of 8,160: the estimate knows nothing of alignment
POINTER_BYTES = 20  # what stays in the row of a value that was moved out
FIXED_BYTES = {BIGINT: 8, TIMESTAMPTZ: 8, TIME: 8, DATE: 4, BOOLEAN: 1, UUID: 16}
ROW = "_scout_row"  # which row values are of
NULL = Raw(b"null")
CHUNK_COLUMNS = 300  # so many values always fit a page


def narrowed(
    session: Session, tables: Tables, layout: Layout, table: str, rows: Sequence[bytes]
) -> list[bytes] | None:
    """Return the rows with values moved to the overflow column; None when that cannot help."""
    if OVERFLOW not in layout.columns:
        return None
    split = [_fields(row) for row in rows]
    kinds = [place.type for place in layout.places]
    last = _last_kept(layout, kinds, split)
    if last >= len(layout.places):
        return None
    moved = [n for n in range(last, len(layout.places)) if layout.columns[n] not in layout.key]
    logs.warning(
        f"{table}: {len(rows)} rows are too wide for a page; their values of {len(moved)} columns "
        f"go to the column {OVERFLOW}"
    )
    objects = _as_json(session, tables, layout, split, moved)
    where = layout.columns.index(OVERFLOW)
    count = len(layout.columns).to_bytes(2, "big")
    result = []
    for parts, values in zip(split, objects, strict=True):
        found = dict(values)
        if parts[where] != binary_copy.NULL_FIELD:
            found |= msgspec.json.decode(parts[where][5:], type=dict[str, Raw])
        for n in moved:
            parts[n] = binary_copy.NULL_FIELD
        parts[where] = binary_copy.jsonb(msgspec.json.encode(found))
        result.append(count + b"".join(parts))
    return result


def _fields(row: bytes) -> list[bytes]:
    """Split a row of binary COPY into its fields, each with its length."""
    found = []
    at = 2
    while at < len(row):
        (size,) = struct.unpack_from("!i", row, at)
        end = at + 4 + max(size, 0)
        found.append(row[at:end])
        at = end
    return found


def _last_kept(layout: Layout, kinds: Sequence[str], rows: Sequence[list[bytes]]) -> int:
    """Return how many columns all rows have room for, the key included."""
    keys = [n for n, place in enumerate(layout.places) if place.column in layout.key]
    least = len(kinds)
    for parts in rows:
        used = sum(_inline(parts[n], kinds[n]) for n in keys) + POINTER_BYTES
        for n, kind in enumerate(kinds):
            used += 0 if n in keys else _inline(parts[n], kind)
            if used > ROW_BYTES:
                least = min(least, n)
                break
    return least


def _inline(field: bytes, kind: str) -> int:
    if field == binary_copy.NULL_FIELD:
        return 0
    return FIXED_BYTES.get(kind) or min(len(field), POINTER_BYTES)


def _as_json(
    session: Session,
    tables: Tables,
    layout: Layout,
    rows: Sequence[list[bytes]],
    moved: Sequence[int],
) -> list[dict[str, Raw]]:
    """Return the moved values of each row by property."""
    objects: list[dict[str, Raw]] = [{} for _ in rows]
    names = {place.column: place.source.name for place in layout.places}
    for start in range(0, len(moved), CHUNK_COLUMNS):
        part = moved[start : start + CHUNK_COLUMNS]
        place = tables.place(own("batch", f"overflow {start}"))
        columns = [(layout.places[n].column, layout.places[n].type) for n in part]
        session.execute(statements.create_table(place, [(ROW, "integer"), *columns], unlogged=True))
        count = (len(part) + 1).to_bytes(2, "big")
        session.copy(
            row_statements.copy_in(place, [ROW, *(name for name, _ in columns)]),
            [
                count + binary_copy.FOUR(4, number) + b"".join(parts[n] for n in part)
                for number, parts in enumerate(rows)
            ],
        )
        for number, text in session.execute(row_statements.rows_as_json(place, ROW)):
            values = msgspec.json.decode(text, type=dict[str, Raw])
            objects[number] |= {
                names[name]: value
                for name, value in values.items()
                if name != ROW and value != NULL
            }
        session.execute(statements.drop_table(place))
    return objects
