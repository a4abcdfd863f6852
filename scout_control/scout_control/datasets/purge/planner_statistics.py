"""What the planner of Postgres remembers of values that were removed: found, and forgotten.

Statistics hold the most common values of a column, and outlive the rows; other roles may read them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from psycopg import sql
from sqlalchemy import select

from scout_control.datasets.purge.owner_data import PLACES
from scout_control.errors import ControlError
from scout_control.store import postgres
from scout_control.store.models import Connection

if TYPE_CHECKING:
    from psycopg import Cursor

    from scout_control.datasets.purge.owner_data import Names
    from scout_control.installation.installation import Site

OF_STORE = """
    SELECT schemaname, tablename, attname FROM pg_catalog.pg_stats
     WHERE schemaname = ANY(%(places)s)
       AND (concat(most_common_vals, histogram_bounds) ~ ANY(%(patterns)s)
            OR attname = ANY(%(ids)s) AND %(id)s = ANY(
                coalesce(most_common_vals::text::text[], '{}')
                || coalesce(histogram_bounds::text::text[], '{}')
            )
            OR tablename = 'audit_values' AND %(id)s = ANY(most_common_vals::text::text[]))
"""
OF_CATALOGS = """
    SELECT DISTINCT schemaname, tablename FROM pg_catalog.pg_stats
     WHERE schemaname = 'pg_catalog'
       AND concat(most_common_vals, histogram_bounds) ~ ANY(%(made)s)
"""
OUR_TABLES = """
    SELECT schemaname, tablename FROM pg_catalog.pg_tables WHERE schemaname = ANY(%s) ORDER BY 1, 2
"""
TYPE_OF = """
    SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
     WHERE attrelid = %s::regclass AND attname = %s
"""


def of_store(cursor: Cursor[Any], names: Names) -> list[tuple[str, str, str]]:
    """Return of which columns of the store the planner remembers values that name the owner."""
    cursor.execute(OF_STORE, names.parameters)
    return cursor.fetchall()


def of_catalogs(cursor: Cursor[Any], names: Names) -> list[tuple[str, str]]:
    """Return of which catalogs the planner remembers names that control made."""
    cursor.execute(OF_CATALOGS, names.parameters)
    return cursor.fetchall()


def forget(site: Site, names: Names) -> list[str]:
    """Remove dead rows and renew all statistics; return what is left to others."""
    with postgres.connect(site.store.driver_url, autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute(OUR_TABLES, [list(PLACES)])
        for schema, table in cursor.fetchall():
            cursor.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(schema, table)))
        for schema, table, column in of_store(cursor, names):
            _forget_column(cursor, sql.Identifier(schema, table), column)
    left: list[str] = []
    for url in _urls(site):
        with suppress(ControlError), postgres.connect(url, autocommit=True) as connection:
            left += _forget_catalogs(connection.cursor(), names)
    return left


def _forget_column(cursor: Cursor[Any], table: sql.Identifier, column: str) -> None:
    """Forget a column of a table that is empty now, which ANALYZE passes over.

    A column whose type is set, be it to the one it has, has no statistics.
    """
    cursor.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(table))
    if cursor.fetchone() is None:
        cursor.execute(TYPE_OF, [table.as_string(cursor), column])
        [kind] = cursor.fetchone() or ("text",)
        change = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {}")
        cursor.execute(change.format(table, sql.Identifier(column), sql.SQL(kind)))


def _forget_catalogs(cursor: Cursor[Any], names: Names) -> list[str]:
    """Forget names of schemas, which only the owner of the database can do."""
    for schema, table in of_catalogs(cursor, names):
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table)))
    left = ", ".join(table for _, table in of_catalogs(cursor, names))
    told = (
        f"The planner's statistics of {left} still hold names of dropped schemas, until the "
        "server analyses them: let the owner of the database run ANALYZE."
    )
    return [told] if left else []


def _urls(site: Site) -> set[str]:
    with site.store.begin() as session:
        return {site.server_url(each) for each in session.scalars(select(Connection))}
