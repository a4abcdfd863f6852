"""Reads the contents of a dataset schema: the target's load log, row counts, metadata streams.

The dataset's writer owns all of it, and may have replaced any table. It is therefore read in a
session of the query role (see ``query_role``), from ordinary tables only, and within limits of size
and time. What cannot be read that way counts as unknown, and is logged once.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

import psycopg
from psycopg import sql

from scout_control.rules import column_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Found = TypeVar("Found")

log = logging.getLogger(__name__)

LOAD_LOG = "_scout_loads"
MAX_TABLES = 2000
MAX_DOCUMENTS = 2000
MAX_DOCUMENT_BYTES = 16 << 20
MAX_DEPTH = 50
MAX_KEYS = 5000
MAX_NAME_BYTES = 1000
STATEMENT_SECONDS = 60.0
LONGEST_READING_SECONDS = 180.0
"""Time limit for everything that is read after a run."""
LONGEST_SEARCH_SECONDS = 10.0
"""Time limit for searching all rows for what rules name."""
# An ordinary table has no row security; the partitions of a partitioned one are ordinary, too.
# A type from outside pg_catalog is shown as "?": its output function could be the writer's own.
TABLE = """
    SELECT class.relkind = 'p',
           class.relkind IN ('r', 'p') AND NOT class.relrowsecurity AND NOT EXISTS (
               SELECT FROM pg_partition_tree(class.oid) AS part
                 JOIN pg_class AS of_part ON of_part.oid = part.relid
                WHERE of_part.relkind NOT IN ('r', 'p')
           ),
           array(
               SELECT made.attname || ' ' || CASE type.typnamespace
                      WHEN 'pg_catalog'::regnamespace THEN type.typname ELSE '?' END
                 FROM pg_attribute AS made JOIN pg_type AS type ON type.oid = made.atttypid
                WHERE made.attrelid = class.oid AND made.attnum > 0 AND NOT made.attisdropped
           )
      FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
     WHERE space.nspname = %s AND class.relname = %s
"""
LOAD_LOG_COLUMNS = frozenset(
    (
        "run_id text",
        "stream text",
        "rows int8",
        "started_at timestamptz",
        "completed_at timestamptz",
    )
)
SELECT_LOADS = """
    SELECT stream, rows,
           extract(epoch FROM coalesce(completed_at, clock_timestamp()) - started_at)::float8
      FROM {} WHERE run_id = ANY(%s) AND octet_length(stream) <= %s
     ORDER BY started_at, stream LIMIT %s
"""
SELECT_STREAMS = """
    SELECT relname FROM pg_class
     WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
       AND relname::text IN (SELECT stream FROM {}) ORDER BY relname LIMIT %s
"""
SELECT_COUNT = "SELECT count(*) FROM {}"
SELECT_KEYS = """
    SELECT DISTINCT key
      FROM (SELECT {1} AS value FROM {0} LIMIT %s) AS rows
     CROSS JOIN LATERAL jsonb_path_query(value, %s::jsonpath, '{{}}', true) AS part
     CROSS JOIN LATERAL jsonb_object_keys(
           CASE WHEN jsonb_typeof(part) = 'object' THEN part END
     ) AS key LIMIT %s
"""
SELECT_ANY = "SELECT EXISTS (SELECT FROM {0})"
SELECT_ANY_VALUE = "SELECT EXISTS (SELECT FROM {0} WHERE {1} IS NOT NULL)"
SELECT_FOUND = """
    SELECT EXISTS (
        SELECT FROM {0} WHERE jsonb_path_exists({1}, %s::jsonpath, '{{}}', true)
    )
"""
# Rows up to the size limit; the row that exceeds it is NULL.
SELECT_DOCUMENTS = """
    SELECT CASE WHEN sum(octet_length(document)) OVER (ROWS UNBOUNDED PRECEDING) <= %s
                THEN document END
      FROM (SELECT to_jsonb(t.*)::text AS document FROM {} AS t LIMIT %s) AS rows
"""


class _UnreadableError(Exception):
    """A table does not meet the conditions for reading it."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one run committed of one stream."""

    stream: str
    rows: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Table:
    """A readable table; its name is quoted for statements with parameters."""

    name: str
    columns: frozenset[str]


class SchemaContents:
    """The contents of one dataset schema, read repeatedly in one session."""

    def __init__(self, reader: psycopg.Connection[Any], schema: str) -> None:
        self._reader, self._schema = reader, schema
        self._until = time.monotonic() + LONGEST_READING_SECONDS
        self._search_seconds = LONGEST_SEARCH_SECONDS
        self._logged: set[str] = set()
        reader.autocommit = True  # each statement is a read-only transaction

    def loads_of(self, names: Sequence[str]) -> list[Load] | None:
        """Return what runs have committed so far; None if unknown."""
        return self._read_or_none(LOAD_LOG, lambda: self._loads_of(names))

    def counts(self) -> dict[str, int | None] | None:
        """Return the number of rows of each loaded table; None if unknown."""
        streams = self._read_or_none(LOAD_LOG, self._streams)
        return None if streams is None else {name: self.count(name) for name in streams}

    def count(self, name: str) -> int | None:
        """Return the number of rows of a table; None if it is missing or unreadable."""
        return self._read_or_none(name, lambda: self._count(name))

    def documents(self, names: Iterable[str]) -> dict[str, list[Any]]:
        """Return the rows of small tables that describe a source; unreadable tables are omitted."""
        documents = {
            name: self._read_or_none(name, partial(self._documents, name)) for name in names
        }
        return {name: rows for name, rows in documents.items() if rows is not None}

    def keys(self, name: str, column: str, json_path: str, rows: int) -> set[str]:
        """Return the names in the objects at a path in a jsonb column, of its first rows."""

        def read() -> set[str]:
            table = self._table_of(name, frozenset((f"{column} jsonb",)))
            values = [rows, json_path, MAX_KEYS]
            return {key for (key,) in self._read(SELECT_KEYS, table, values, self._quoted(column))}

        return self._read_or_none(name, read) or set()

    def streams(self) -> Sequence[str]:
        """Return the streams that have tables; empty if unknown."""
        return self._read_or_none(LOAD_LOG, self._streams) or []

    def has(self, name: str, path: str) -> bool | None:
        """Return whether a table has what the path of a rule for columns names, in any row.

        Returns:
            None where that is unknown: no row has a value in which it could be.
        """
        with self._searching():
            return self._read_or_none(name, lambda: self._has(name, path))

    def rows(
        self, name: str, statement: LiteralString, columns: frozenset[str]
    ) -> list[tuple[Any, ...]] | None:
        """Return the result of a statement on a table with these columns; None if unknown.

        The result is empty if the table does not exist.
        """
        return self._read_or_none(
            name, lambda: self._read(statement, self._table_of(name, columns), [])
        )

    def _loads_of(self, names: Sequence[str]) -> list[Load]:
        values = [list(names), MAX_NAME_BYTES, MAX_TABLES]
        return [
            Load(stream=stream, rows=rows or 0, seconds=seconds or 0.0)
            for stream, rows, seconds in self._read(
                SELECT_LOADS, self._table_of(LOAD_LOG, LOAD_LOG_COLUMNS), values
            )
        ]

    def _streams(self) -> list[str]:
        load_log = self._table_of(LOAD_LOG, LOAD_LOG_COLUMNS)
        rows = self._read(SELECT_STREAMS, load_log, [self._schema, MAX_TABLES])
        return [name for (name,) in rows]

    def _has(self, name: str, path: str) -> bool | None:
        table = self._table(name)
        if table is None or not self._is_true(SELECT_ANY, table):
            return None
        columns = dict(each.rsplit(" ", 1) for each in table.columns)
        places = {each: column_paths.below(path, each) for each in columns}
        if any(() in rest for rest in places.values()):
            return True
        inside = {each: rest for each, rest in places.items() if rest and columns[each] == "jsonb"}
        if any(self._is_inside(table, column, inside[column]) for column in inside):
            return True
        has_values = not inside or any(
            self._is_true(SELECT_ANY_VALUE, table, column=each) for each in inside
        )
        return False if has_values else None

    def _is_inside(self, table: Table, column: str, places: Iterable[column_paths.Names]) -> bool:
        return any(
            self._is_true(SELECT_FOUND, table, [json_path], column=column)
            for place in places
            for json_path in column_paths.json_paths(place)
        )

    def _is_true(
        self,
        statement: LiteralString,
        table: Table,
        values: Sequence[Any] = (),
        *,
        column: str | None = None,
    ) -> bool:
        columns = () if column is None else (self._quoted(column),)
        [(answer,)] = self._read(statement, table, list(values), *columns)
        return bool(answer)

    def _quoted(self, column: str) -> str:
        return sql.Identifier(column).as_string(self._reader).replace("%", "%%")

    @contextmanager
    def _searching(self) -> Iterator[None]:
        """Let all searches together take a limited time."""
        until, started_at = self._until, time.monotonic()
        self._until = min(until, started_at + self._search_seconds)
        try:
            yield
        finally:
            self._until = until
            self._search_seconds -= time.monotonic() - started_at

    def _count(self, name: str) -> int | None:
        rows = self._read(SELECT_COUNT, self._table(name), [])
        return int(rows[0][0]) if rows else None

    def _documents(self, name: str) -> list[Any] | None:
        table = self._table(name)
        if table is None:
            return None
        if any(column.endswith(" ?") for column in table.columns):
            raise _UnreadableError("it has a column of a user-defined type")
        texts = [
            text
            for (text,) in self._read(SELECT_DOCUMENTS, table, [MAX_DOCUMENT_BYTES, MAX_DOCUMENTS])
        ]
        if None in texts:
            raise _UnreadableError("it is too large")
        rows = [json.loads(text) for text in texts]
        if _is_deep(rows):
            raise _UnreadableError("it is nested too deeply")
        return rows

    def _table_of(self, name: str, columns: frozenset[str]) -> Table | None:
        """Return a table that must have these columns."""
        table = self._table(name)
        if table is not None and not table.columns >= columns:
            raise _UnreadableError("its columns differ from the expected ones")
        return table

    def _table(self, name: str) -> Table | None:
        """Return a table of the dataset schema; None if it does not exist."""
        row = self._reader.execute(TABLE, [self._schema, name]).fetchone()
        if row is None:
            return None
        is_partitioned, is_ordinary, columns = row
        if not is_ordinary:
            raise _UnreadableError("it is not an ordinary table")
        # Tables that inherit from it could be of any kind and in any schema.
        prefix = "" if is_partitioned else "ONLY "
        quoted = sql.Identifier(self._schema, name).as_string(self._reader)
        return Table(name=prefix + quoted.replace("%", "%%"), columns=frozenset(columns))

    def _read(
        self, statement: LiteralString, table: Table | None, values: Sequence[Any], *columns: str
    ) -> list[tuple[Any, ...]]:
        """Return the result of a statement on a table; empty if the table is missing."""
        if table is None:
            return []
        seconds_left = min(self._until - time.monotonic(), STATEMENT_SECONDS)
        if seconds_left <= 0:
            raise _UnreadableError("reading takes too long")
        # At least 1 ms: Postgres takes 0 as "no limit".
        limit = f"{seconds_left * 1000 + 1:.0f}"
        self._reader.execute("SELECT set_config('statement_timeout', %s, false)", [limit])
        composed = statement.format(table.name, *columns).encode()
        return self._reader.execute(composed, values).fetchall()

    def _read_or_none(self, name: str, read: Callable[[], Found]) -> Found | None:
        """Return the result of ``read``; None, with one log line per table, if it fails."""
        try:
            return read()
        except (_UnreadableError, psycopg.Error, ValueError, RecursionError) as error:
            why = error if isinstance(error, _UnreadableError) else type(error).__name__
            if name not in self._logged:
                self._logged.add(name)
                log.warning("not_read schema=%s table=%.63r: %s", self._schema, name, why)
            return None


def _is_deep(value: Any) -> bool:
    """Return whether a document is nested too deeply for later, recursive processing."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for each in level for child in _children(each)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
