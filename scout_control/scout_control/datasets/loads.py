"""Reads what lies in a dataset schema: what the target committed, rows, streams about the source.

All of it belongs to the dataset's writer, which may have made anything of it. So it is read over a
session of the query role (see ``query_role``), only from ordinary tables, only so much of it, and
only for so long. What cannot be read so is unknown, which is said once in the log.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Found = TypeVar("Found")

log = logging.getLogger(__name__)

LOADS = "_scout_loads"
MOST_TABLES = 2000
MOST_ROWS_KEPT = 2000
MOST_BYTES_KEPT = 16 << 20
MOST_LEVELS_KEPT = 50
LONGEST_NAME_BYTES = 1000
LONGEST_STATEMENT_SECONDS = 60.0
LONGEST_READING_SECONDS = 180.0
"""How long all that is read after a run may take."""
# An ordinary table has no policy that hides rows; a partitioned one has ordinary tables for parts.
# A type that Postgres did not bring is a question mark: to show its values may take a function.
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
COLUMNS_OF_LOADS = frozenset(
    (
        "run_id text",
        "stream text",
        "rows int8",
        "started_at timestamptz",
        "completed_at timestamptz",
    )
)
OF_RUNS = """
    SELECT stream, rows,
           extract(epoch FROM coalesce(completed_at, clock_timestamp()) - started_at)::float8
      FROM {} WHERE run_id = ANY(%s) AND octet_length(stream) <= %s
     ORDER BY started_at, stream LIMIT %s
"""
STREAMS = """
    SELECT relname FROM pg_class
     WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
       AND relname::text IN (SELECT stream FROM {}) ORDER BY relname LIMIT %s
"""
COUNT = "SELECT count(*) FROM {}"
# Rows until there are too many bytes: the one that is too much comes as NULL.
DOCUMENTS = """
    SELECT CASE WHEN sum(octet_length(document)) OVER (ROWS UNBOUNDED PRECEDING) <= %s
                THEN document END
      FROM (SELECT to_jsonb(t.*)::text AS document FROM {} AS t LIMIT %s) AS rows
"""


class _UnknownError(Exception):
    """A table is not as it must be to be read."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one run has committed of one stream."""

    stream: str
    rows: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that may be read, by the name that stands in statements with parameters."""

    name: str
    columns: frozenset[str]


class Contents:
    """What one dataset schema holds, read again and again over one session."""

    def __init__(self, reader: psycopg.Connection[Any], schema: str) -> None:
        self._reader, self._schema = reader, schema
        self._until = time.monotonic() + LONGEST_READING_SECONDS
        self._told: set[str] = set()
        reader.autocommit = True  # each statement a transaction, which only reads

    def of_runs(self, names: Sequence[str]) -> list[Load] | None:
        """Return what runs have committed so far, or nothing when that is unknown."""
        return self._known(LOADS, lambda: self._of_runs(names))

    def counts(self) -> dict[str, int | None] | None:
        """Return how many rows each loaded table holds, or nothing when that is unknown."""
        streams = self._known(LOADS, self._streams)
        return None if streams is None else {name: self.count(name) for name in streams}

    def count(self, name: str) -> int | None:
        """Return how many rows a table holds, or nothing when it is missing or that is unknown."""
        return self._known(name, lambda: self._count(name))

    def documents(self, names: Iterable[str]) -> dict[str, list[Any]]:
        """Return the rows of small tables that describe a source, of those that can be read."""
        found = {name: self._known(name, partial(self._documents, name)) for name in names}
        return {name: rows for name, rows in found.items() if rows is not None}

    def rows(
        self, name: str, statement: LiteralString, columns: frozenset[str]
    ) -> list[tuple[Any, ...]] | None:
        """Return what a statement finds in a table with such columns, or nothing when unknown.

        Nothing is found in a table that is not there.
        """
        return self._known(name, lambda: self._read(statement, self._table_of(name, columns), []))

    def _of_runs(self, names: Sequence[str]) -> list[Load]:
        values = [list(names), LONGEST_NAME_BYTES, MOST_TABLES]
        return [
            Load(stream=stream, rows=rows or 0, seconds=seconds or 0.0)
            for stream, rows, seconds in self._read(
                OF_RUNS, self._table_of(LOADS, COLUMNS_OF_LOADS), values
            )
        ]

    def _streams(self) -> list[str]:
        loads = self._table_of(LOADS, COLUMNS_OF_LOADS)
        found = self._read(STREAMS, loads, [self._schema, MOST_TABLES])
        return [name for (name,) in found]

    def _count(self, name: str) -> int | None:
        found = self._read(COUNT, self._table(name), [])
        return int(found[0][0]) if found else None

    def _documents(self, name: str) -> list[Any] | None:
        table = self._table(name)
        if table is None:
            return None
        if any(column.endswith(" ?") for column in table.columns):
            raise _UnknownError("it has a type that is not of Postgres")
        found = [
            text for (text,) in self._read(DOCUMENTS, table, [MOST_BYTES_KEPT, MOST_ROWS_KEPT])
        ]
        if None in found:
            raise _UnknownError("it is too large")
        rows = [json.loads(text) for text in found]
        if _is_deep(rows):
            raise _UnknownError("it is nested too deeply")
        return rows

    def _table_of(self, name: str, columns: frozenset[str]) -> Table | None:
        """Return one of our own tables, as it is made."""
        table = self._table(name)
        if table is not None and not table.columns >= columns:
            raise _UnknownError("it has other columns than it is made with")
        return table

    def _table(self, name: str) -> Table | None:
        """Return a table of the dataset schema, or nothing when there is none of that name."""
        found = self._reader.execute(TABLE, [self._schema, name]).fetchone()
        if found is None:
            return None
        is_partitioned, is_ordinary, columns = found
        if not is_ordinary:
            raise _UnknownError("it is no ordinary table")
        # What inherits from a table may be anything, anywhere.
        words = "" if is_partitioned else "ONLY "
        quoted = sql.Identifier(self._schema, name).as_string(self._reader)
        return Table(name=words + quoted.replace("%", "%%"), columns=frozenset(columns))

    def _read(
        self, statement: LiteralString, table: Table | None, values: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Return what a statement finds in a table; nothing in one that is missing."""
        if table is None:
            return []
        left = min(self._until - time.monotonic(), LONGEST_STATEMENT_SECONDS)
        if left <= 0:
            raise _UnknownError("reading takes too long")
        limit = f"{left * 1000 + 1:.0f}"
        self._reader.execute("SELECT set_config('statement_timeout', %s, false)", [limit])
        composed = statement.format(table.name).encode()
        return self._reader.execute(composed, values).fetchall()

    def _known(self, name: str, read: Callable[[], Found]) -> Found | None:
        """Return what is read of a table, or nothing, said once, when it cannot be read."""
        try:
            return read()
        except (_UnknownError, psycopg.Error, ValueError, RecursionError) as error:
            why = error if isinstance(error, _UnknownError) else type(error).__name__
            if name not in self._told:
                self._told.add(name)
                log.warning("not_read schema=%s table=%.63r: %s", self._schema, name, why)
            return None


def _is_deep(value: Any) -> bool:
    """Return whether a document is nested deeper than what handles it later may follow."""
    level = [value]
    for _ in range(MOST_LEVELS_KEPT):
        level = [child for each in level for child in _children(each)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
