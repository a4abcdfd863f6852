"""Finds and removes values of purged rows in the planner statistics of Postgres.

Statistics hold the most common values of a column. They outlive the rows, and other roles can read
them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from psycopg import sql
from sqlalchemy import select

from scout_control.datasets.purge.owner_data import STORE_SCHEMAS
from scout_control.errors import ControlError
from scout_control.store import postgres
from scout_control.store.models import Connection

if TYPE_CHECKING:
    from psycopg import Cursor

    from scout_control.datasets.purge.owner_data import SearchTerms
    from scout_control.installation.installation import Installation

COLUMNS_WITH_OWNER = """
    SELECT schemaname, tablename, attname FROM pg_catalog.pg_stats
     WHERE schemaname = ANY(%(schemas)s)
       AND (concat(most_common_vals, histogram_bounds) ~ ANY(%(patterns)s)
            OR attname = ANY(%(ids)s) AND %(id)s = ANY(
                coalesce(most_common_vals::text::text[], '{}')
                || coalesce(histogram_bounds::text::text[], '{}')
            )
            OR tablename = 'audit_values' AND %(id)s = ANY(most_common_vals::text::text[]))
"""
CATALOGS_WITH_NAMES = """
    SELECT DISTINCT schemaname, tablename FROM pg_catalog.pg_stats
     WHERE schemaname = 'pg_catalog'
       AND concat(most_common_vals, histogram_bounds) ~ ANY(%(generated)s)
"""
STORE_TABLES = """
    SELECT schemaname, tablename FROM pg_catalog.pg_tables WHERE schemaname = ANY(%s) ORDER BY 1, 2
"""
COLUMN_TYPE = """
    SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
     WHERE attrelid = %s::regclass AND attname = %s
"""


def columns_with_owner(cursor: Cursor[Any], terms: SearchTerms) -> list[tuple[str, str, str]]:
    """Return the columns of the store whose statistics name the owner."""
    cursor.execute(COLUMNS_WITH_OWNER, terms.parameters)
    return cursor.fetchall()


def catalogs_with_names(cursor: Cursor[Any], terms: SearchTerms) -> list[tuple[str, str]]:
    """Return the system catalogs whose statistics hold names that control generated."""
    cursor.execute(CATALOGS_WITH_NAMES, terms.parameters)
    return cursor.fetchall()


def refresh(installation: Installation, terms: SearchTerms) -> list[str]:
    """Vacuum and analyze the store; return notes on statistics that only others can renew."""
    with postgres.connect(installation.store.driver_url, autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute(STORE_TABLES, [list(STORE_SCHEMAS)])
        for schema, table in cursor.fetchall():
            cursor.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(schema, table)))
        for schema, table, column in columns_with_owner(cursor, terms):
            _discard_statistics(cursor, sql.Identifier(schema, table), column)
    notes: list[str] = []
    for url in _urls(installation):
        with suppress(ControlError), postgres.connect(url, autocommit=True) as connection:
            notes += _refresh_catalogs(connection.cursor(), terms)
    return notes


def _discard_statistics(cursor: Cursor[Any], table: sql.Identifier, column: str) -> None:
    """Discard the statistics of a column if its table is empty: ANALYZE skips empty tables.

    Postgres discards them when the type of a column is set, even to the same type.
    """
    cursor.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(table))
    if cursor.fetchone() is None:
        cursor.execute(COLUMN_TYPE, [table.as_string(cursor), column])
        [kind] = cursor.fetchone() or ("text",)
        change = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {}")
        cursor.execute(change.format(table, sql.Identifier(column), sql.SQL(kind)))


def _refresh_catalogs(cursor: Cursor[Any], terms: SearchTerms) -> list[str]:
    """Renew catalog statistics that hold schema names; requires the owner of the database."""
    for schema, table in catalogs_with_names(cursor, terms):
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table)))
    remaining = ", ".join(table for _, table in catalogs_with_names(cursor, terms))
    note = (
        f"The planner statistics of {remaining} still hold names of dropped schemas until the "
        "next ANALYZE, which the owner of the database can run."
    )
    return [note] if remaining else []


def _urls(installation: Installation) -> set[str]:
    with installation.store.begin() as session:
        return {installation.server_url(each) for each in session.scalars(select(Connection))}
