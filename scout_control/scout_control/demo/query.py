"""What the demo reads of its data, as the reader of the dataset would."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from scout_control.datasets.loads import SchemaContents
from scout_control.datasets.query_role import connect_as_query_role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg import Connection


@contextmanager
def reading(server_url: str, schema: str) -> Iterator[Connection[Any] | None]:
    """Log in as the reader of the dataset; there is none before its first load."""
    try:
        connection = connect_as_query_role(server_url, schema)
    except errors.UndefinedObject:
        yield None
        return
    with closing(connection):
        yield connection


def answer(
    server_url: str, schema: str, query: str, parameters: Sequence[object] = ()
) -> list[tuple[object, ...]]:
    """Ask one question; there is no answer before everything it asks of was loaded."""
    with reading(server_url, schema) as connection:
        if connection is None:
            return []
        path = sql.SQL("SET search_path TO {}").format(sql.Identifier(schema))
        try:
            connection.execute(path)
            return connection.execute(query.encode(), parameters or None).fetchall()
        except (errors.UndefinedTable, errors.UndefinedColumn):
            return []


def counts(server_url: str, schema: str, tables: Iterable[str]) -> dict[str, int]:
    """Count the rows of tables; none where one is not there."""
    tables = list(tables)
    with reading(server_url, schema) as connection:
        if connection is None:
            return dict.fromkeys(tables, 0)
        contents = SchemaContents(connection, schema)
        return {table: contents.count(table) or 0 for table in tables}
