"""Shortens rows that exceed a page of Postgres (8 kB): some values move to the overflow column.

Large values are no problem, as Postgres moves them out of the row (TOAST). Hundreds of small ones
are. Postgres itself renders the values as JSON, so that each type has one rendering.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from target_scout_postgres import logs
from target_scout_postgres.encoding import binary_copy
from target_scout_postgres.encoding.binary_copy import NULL_FIELD
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
from target_scout_postgres.postgres.identifiers import Internal, internal_name
from target_scout_postgres.wording import counted

if TYPE_CHECKING:
    from target_scout_postgres.postgres.ddl import Ddl
    from target_scout_postgres.postgres.session import Session

MAX_ROW_BYTES = 6_500  # of 8,160: the estimate ignores alignment
POINTER_BYTES = 20  # what stays in the row of a value that was moved out
FIXED_BYTES = {BIGINT: 8, TIMESTAMPTZ: 8, TIME: 8, DATE: 4, BOOLEAN: 1, UUID: 16}
ROW_NUMBER = "_scout_row"
NULL = Raw(b"null")
CHUNK_COLUMNS = 300  # rows with this many values always fit into a page


def narrow(
    session: Session, ddl: Ddl, layout: Layout, table: str, rows: Sequence[bytes]
) -> list[bytes] | None:
    """Return the rows with values moved to the overflow column; None if that cannot help."""
    if OVERFLOW not in layout.columns:
        return None
    split_rows = [split_fields(row) for row in rows]
    kept = columns_that_fit(layout, split_rows)
    if kept >= len(layout.mappings):
        return None
    moved = [n for n in range(kept, len(layout.mappings)) if layout.columns[n] not in layout.key]
    logs.warning(
        f"{table}: too wide for a page: {counted(len(rows), 'row')}; values of "
        f"{counted(len(moved), 'column')} go to the column {OVERFLOW}"
    )
    objects = _as_json(session, ddl, layout, split_rows, moved)
    overflow = layout.columns.index(OVERFLOW)
    count = len(layout.columns).to_bytes(2, "big")
    narrowed = []
    for fields, values in zip(split_rows, objects, strict=True):
        members = dict(values)
        if fields[overflow] != NULL_FIELD:
            members |= msgspec.json.decode(fields[overflow][5:], type=dict[str, Raw])
        for n in moved:
            fields[n] = NULL_FIELD
        fields[overflow] = binary_copy.jsonb(msgspec.json.encode(members))
        narrowed.append(count + b"".join(fields))
    return narrowed


def split_fields(row: bytes) -> list[bytes]:
    """Split a row of binary COPY into its fields, each with its length."""
    fields = []
    at = 2
    while at < len(row):
        (size,) = struct.unpack_from("!i", row, at)
        end = at + 4 + max(size, 0)
        fields.append(row[at:end])
        at = end
    return fields


def columns_that_fit(layout: Layout, rows: Sequence[list[bytes]]) -> int:
    """Return how many leading columns fit in all rows, beside the key."""
    types = [mapping.type for mapping in layout.mappings]
    keys = [n for n, mapping in enumerate(layout.mappings) if mapping.column in layout.key]
    least = len(types)
    for fields in rows:
        used = sum(_inline_bytes(fields[n], types[n]) for n in keys) + POINTER_BYTES
        for n, type_ in enumerate(types):
            used += 0 if n in keys else _inline_bytes(fields[n], type_)
            if used > MAX_ROW_BYTES:
                least = min(least, n)
                break
    return least


def _inline_bytes(field: bytes, type_: str) -> int:
    if field == NULL_FIELD:
        return 0
    return FIXED_BYTES.get(type_) or min(len(field), POINTER_BYTES)


def _as_json(
    session: Session,
    ddl: Ddl,
    layout: Layout,
    rows: Sequence[list[bytes]],
    moved: Sequence[int],
) -> list[dict[str, Raw]]:
    """Return the moved values of each row by property."""
    objects: list[dict[str, Raw]] = [{} for _ in rows]
    names = {mapping.column: mapping.source.name for mapping in layout.mappings}
    for start in range(0, len(moved), CHUNK_COLUMNS):
        chunk = moved[start : start + CHUNK_COLUMNS]
        table = ddl.qualified(internal_name(Internal.BATCH, f"overflow {start}"))
        columns = [(layout.mappings[n].column, layout.mappings[n].type) for n in chunk]
        create = statements.create_table(table, [(ROW_NUMBER, "integer"), *columns], unlogged=True)
        session.execute(create)
        count = (len(chunk) + 1).to_bytes(2, "big")
        session.copy_in(
            row_statements.copy_in(table, [ROW_NUMBER, *(name for name, _ in columns)]),
            [
                count + binary_copy.pack_int4(4, number) + b"".join(fields[n] for n in chunk)
                for number, fields in enumerate(rows)
            ],
        )
        for number, text in session.execute(row_statements.rows_as_json(table, ROW_NUMBER)):
            values = msgspec.json.decode(text, type=dict[str, Raw])
            objects[number] |= {
                names[name]: value
                for name, value in values.items()
                if name != ROW_NUMBER and value != NULL
            }
        session.execute(statements.drop_table(table))
    return objects
