"""Reads a dataset schema after a run: only what is committed counts."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2 import sql

from scout_control.provision import connect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a type

TABLES = """
    SELECT DISTINCT stream FROM {}._scout_loads
     WHERE to_regclass(format('%%I.%%I', %s::text, stream)) IS NOT NULL
     ORDER BY stream
"""
LONGEST_COUNT = "60s"
MOST_ROWS_KEPT = 2000


def count_all(server_url: str, schema: str) -> dict[str, int | None]:
    """Return how many rows each loaded table holds; nothing for one that takes too long."""
    with closing(connect(server_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout TO %s", [LONGEST_COUNT])
            try:
                cursor.execute(sql.SQL(TABLES).format(sql.Identifier(schema)), [schema])
            except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName):
                return {}
            tables = [table for (table,) in cursor.fetchall()]
            return {table: _count(cursor, schema, table) for table in tables}


def content(server_url: str, schema: str, tables: Iterable[str]) -> dict[str, list[Any]]:
    """Return the rows of small tables that describe a source."""
    found: dict[str, list[Any]] = {}
    with closing(connect(server_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for table in tables:
                names = sql.Identifier(schema, table)
                statement = sql.SQL("SELECT to_jsonb(t) FROM {} AS t LIMIT %s").format(names)
                try:
                    cursor.execute(statement, [MOST_ROWS_KEPT])
                except psycopg2.errors.UndefinedTable:
                    continue
                found[table] = [row for (row,) in cursor.fetchall()]
    return found


def _count(cursor: Cursor, schema: str, table: str) -> int | None:
    statement = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
    try:
        cursor.execute(statement)
    except psycopg2.errors.QueryCanceled:
        return None
    found = cursor.fetchone()
    return int(found[0]) if found else None
