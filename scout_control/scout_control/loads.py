"""Reads what the target has committed, from its table ``_scout_loads`` in the dataset schema.

Only committed rows are in there, so these numbers are never more than what a reader finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from scout_control.provision import connect

if TYPE_CHECKING:
    from psycopg import Connection

OF_RUN = """
    SELECT stream, rows,
           extract(epoch FROM coalesce(completed_at, clock_timestamp()) - started_at)::float8
      FROM {}._scout_loads
     WHERE run_id = %s
     ORDER BY started_at, stream
"""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one run has committed of one stream."""

    stream: str
    rows: int
    seconds: float


class Loads:
    """The loads of one dataset schema, read again and again over one connection."""

    def __init__(self, server_url: str, schema: str) -> None:
        self._connection: Connection[Any] = connect(server_url, autocommit=True)
        self._schema = sql.Identifier(schema)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def of_run(self, run_id: str) -> list[Load]:
        """Return what a run has committed so far; nothing before the target's first commit."""
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(sql.SQL(OF_RUN).format(self._schema), [run_id])
            except (errors.UndefinedTable, errors.InvalidSchemaName):
                return []
            return [
                Load(stream=stream, rows=rows or 0, seconds=seconds or 0.0)
                for stream, rows, seconds in cursor.fetchall()
            ]


def count_rows(server_url: str, schema: str, table: str) -> int:
    """Count the rows that a reader finds in a table; none when it is not there."""
    statement = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
    with connect(server_url, autocommit=True) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except errors.UndefinedTable:
            return 0
        found = cursor.fetchone()
        return int(found[0]) if found else 0
