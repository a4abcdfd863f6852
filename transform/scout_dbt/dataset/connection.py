"""Transactions in a dataset schema, with the driver of dbt."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import extensions, sql

if TYPE_CHECKING:
    from collections.abc import Iterator

Cursor = extensions.cursor


@contextmanager
def transaction(conninfo: str, schema: str, options: str = "") -> Iterator[Cursor]:
    """Open a connection and a transaction in a dataset schema; commit and close both at the end.

    Args:
        conninfo: The database, as a URL or as libpq's keywords and values.
        schema: The dataset schema, which may be missing.
        options: Options of the session, such as ``-c lock_timeout=10s``.
    """
    given = extensions.parse_dsn(conninfo)
    connection = psycopg2.connect(
        conninfo,
        application_name="scout models",
        connect_timeout=given.get("connect_timeout") or 10,
        options=f"{given.get('options') or ''} {options}",
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
            cursor.execute("SET client_min_messages TO warning")
            yield cursor
    finally:
        connection.close()
