"""A question, and its answer from the demo's data."""

from __future__ import annotations

from psycopg import errors, sql

from scout_control.provision import connect


def answer(server_url: str, schema: str, reader: str, query: str) -> list[tuple[object, ...]]:
    """Ask as the reader of the dataset would, in a transaction that only reads."""
    with connect(server_url) as connection, connection.cursor() as cursor:
        connection.read_only = True
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(reader)))
        cursor.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(schema)))
        try:
            cursor.execute(query)
        except (errors.UndefinedTable, errors.UndefinedColumn):
            return []
        return list(cursor.fetchall())
