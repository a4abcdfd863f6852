"""Reads a dataset schema after a run: only what is committed counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from scout_control.provision import connect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Cursor

TABLES = """
    SELECT DISTINCT stream FROM {}._scout_loads
     WHERE to_regclass(format('%%I.%%I', %s::text, stream)) IS NOT NULL
     ORDER BY stream
"""
LONGEST_COUNT = "60s"
MOST_ROWS_KEPT = 2000


def count_all(server_url: str, schema: str) -> dict[str, int | None]:
    """Return how many rows each loaded table holds; nothing for one that takes too long."""
    with connect(server_url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout TO %s", [LONGEST_COUNT])
        try:
            cursor.execute(sql.SQL(TABLES).format(sql.Identifier(schema)), [schema])
        except (errors.UndefinedTable, errors.InvalidSchemaName):
            return {}
        tables = [table for (table,) in cursor.fetchall()]
        return {table: _count(cursor, schema, table) for table in tables}


def content(server_url: str, schema: str, tables: Iterable[str]) -> dict[str, list[Any]]:
    """Return the rows of small tables that describe a source."""
    found: dict[str, list[Any]] = {}
    with connect(server_url, autocommit=True) as connection, connection.cursor() as cursor:
        for table in tables:
            names = sql.Identifier(schema, table)
            statement = sql.SQL("SELECT to_jsonb(t) FROM {} AS t LIMIT %s").format(names)
            try:
                cursor.execute(statement, [MOST_ROWS_KEPT])
            except errors.UndefinedTable:
                continue
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


def _count(cursor: Cursor[Any], schema: str, table: str) -> int | None:
    statement = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
    try:
        cursor.execute(statement)
    except errors.QueryCanceled:
        return None
    found = cursor.fetchone()
    return int(found[0]) if found else None
