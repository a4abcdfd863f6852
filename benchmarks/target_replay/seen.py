"""Reads the tables and compares them and the STATE with the model."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

import psycopg2
from psycopg2 import sql

from benchmarks.target_replay import values
from benchmarks.target_replay.model import EMPTY_STATES, Model
from benchmarks.target_replay.streams import WHOLE, Stream

LONGEST_NAME_BYTES = 63
COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
           col_description(c.oid, a.attnum)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r'
      AND a.attnum > 0 AND NOT a.attisdropped
"""
TYPES = {
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
}


class Table(NamedTuple):
    """A table: column types, and rows as texts."""

    types: dict[str, str]
    rows: Counter[str]


class Database:
    """A connection that reads the tables of dataset schemas."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True

    def _query(self, statement: Any, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'")
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def drop(self, schema: str) -> None:
        drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
        self._query(drop)

    def read(self, schema: str) -> dict[str, Table]:
        """Return the tables of streams; columns by the full names in their comments."""
        columns: dict[str, dict[str, tuple[str, str]]] = {}
        for table, column, kind, comment in self._query(COLUMNS, (schema,)):
            is_shortened = comment and not column.startswith(f"{comment}__")
            name = comment if is_shortened else column
            columns.setdefault(table, {})[column] = (name, TYPES.get(kind, kind))
        return {
            table: self._table(schema, table, found)
            for table, found in columns.items()
            if not table.startswith("_scout_")
        }

    def _table(self, schema: str, table: str, columns: dict[str, tuple[str, str]]) -> Table:
        place = sql.Identifier(schema, table)
        read = sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t").format(place)
        rows: Counter[str] = Counter()
        for (text,) in self._query(read):
            row = values.decode(text.encode())
            rows[_image({columns[name][0]: values.canonical(row[name]) for name in row})] += 1
        return Table(dict(columns.values()), rows)


def _image(row: dict[str, Any]) -> str:
    there = {name: value for name, value in row.items() if value is not None}
    return json.dumps(there, sort_keys=True, ensure_ascii=False)


def difference(
    seen: dict[str, Table], model: Model, output: bytes, *, is_refused: bool
) -> str | None:
    """Return the first difference from the model; None if they are equal."""
    left = dict(seen)
    for stream in model.streams.values():
        name = _table_name(stream.name, left)
        table = left.pop(name, None)
        if found := _of_table(stream, table, is_refused=is_refused):
            return f"{stream.name}: {found}"
    if left:
        return f"{min(left)}: a table of no stream"
    return _of_states(model, output)


def _table_name(stream: str, seen: dict[str, Table]) -> str:
    """Return the table name of a stream; a long name is truncated, with a digest at its end."""
    encoded = stream.encode()
    if len(encoded) <= LONGEST_NAME_BYTES:
        return stream
    head = encoded[:50].decode(errors="ignore")
    return next((name for name in seen if name.startswith(head)), stream)


def _of_table(stream: Stream, table: Table | None, *, is_refused: bool) -> str | None:
    if table is None:
        is_due = stream.live.all or stream.exists
        return f"no table, but the model has {len(stream.live.all)} rows" if is_due else None
    if not (stream.exists or stream.may_exist or is_refused):
        return "a table, but the model has none yet"
    wanted = stream.columns.types
    names = wanted.keys() | table.types.keys() if stream.exists else ()
    for name in sorted({*names} - {WHOLE}):
        if wanted.get(name) != table.types.get(name):
            return f"column {name}: {table.types.get(name)} instead of {wanted.get(name)}"
    rows = Counter(_image(row) for row in stream.live.all.values())
    if table.rows != rows:
        more, less = table.rows - rows, rows - table.rows
        lines = [f"{table.rows.total()} rows, of the model {rows.total()}"]
        lines += [f"only here {next(iter(more))[:300]}"] if more else []
        lines += [f"only in the model {next(iter(less))[:300]}"] if less else []
        return "; ".join(lines)
    return None


def _of_states(model: Model, output: bytes) -> str | None:
    printed = [values.decode(line) for line in output.splitlines()]
    last = printed[-1] if printed else None
    return (
        None
        if last == model.state or (not last and model.state in EMPTY_STATES)
        else (
            f"the last STATE is {json.dumps(last, default=str)[:200]}, "
            f"the model's {json.dumps(model.state, default=str)[:200]}"
        )
    )
