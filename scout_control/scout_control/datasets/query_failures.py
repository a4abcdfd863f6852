"""Says what is wrong with a query that Postgres rejected, and what its author can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from scout_control.rules import query_remedies

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_TABLES = 5000
# Of people, not of the loader and dbt: those begin with an underscore.
TABLES = """
    SELECT c.relname
      FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname NOT LIKE '\\_%%'
       AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
     ORDER BY c.relname LIMIT %s
"""


def explained(
    connection: psycopg.Connection[Any],
    error: psycopg.Error,
    statement: str,
    dataset: str,
    schema: str,
) -> tuple[str, str]:
    """Return the cause and the remedy of a rejected query.

    Args:
        connection: The session that ran it.
        error: What Postgres said.
        statement: As its author wrote it.
        dataset: The path of the dataset.
        schema: Its schema.
    """
    diagnosis = error.diag
    message = diagnosis.message_primary or type(error).__name__
    internal = None
    if diagnosis.internal_query and diagnosis.internal_position:
        internal = (diagnosis.internal_query, int(diagnosis.internal_position))
    position = diagnosis.statement_position
    rejection = query_remedies.Rejection(
        statement=statement,
        dataset=dataset,
        sqlstate=error.sqlstate,
        message=message,
        hint=diagnosis.message_hint,
        position=query_remedies.position_in(
            statement, position=int(position) if position else None, internal=internal
        ),
    )
    is_needed = query_remedies.needs_tables(error.sqlstate)
    tables = _tables(connection, schema) if is_needed else []
    cause = f"Postgres rejected the query: {message}."
    return cause, query_remedies.remedy(rejection, tables)


def _tables(connection: psycopg.Connection[Any], schema: str) -> Sequence[str]:
    """Return the tables that the session may read; none if the server does not tell."""
    try:
        connection.rollback()
        # Operators of the writer must not be found before those of Postgres.
        connection.execute("SET LOCAL search_path TO pg_catalog")
        found = connection.execute(TABLES, (schema, MOST_TABLES)).fetchall()
    except psycopg.Error:
        return []
    return [name for (name,) in found]
