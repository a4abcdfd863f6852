"""Whether the store holds secrets, at any version of its tables, and without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import column, exists, select, table, text

from scout_control.store.models import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Connection

COLUMNS = (
    ("connections", "login"),
    ("sources", "oauth_client_secret"),
    ("credentials", "secrets"),
    ("datasets", "hash_key"),
    ("datasets", "reader_login"),
)
"""Of the secrets that people notice the loss of: not the logins that control makes for itself."""
HAS_COLUMN = text(
    "SELECT EXISTS (SELECT FROM information_schema.columns"
    " WHERE table_schema = :schema AND table_name = :table AND column_name = :column)"
)


def has_column(connection: Connection, table_name: str, column_name: str) -> bool:
    """Return whether this version of the store has a column."""
    names = {"schema": SCHEMA, "table": table_name, "column": column_name}
    return bool(connection.scalar(HAS_COLUMN, names))


def exist(connection: Connection) -> bool:
    """Return whether the store holds a secret."""
    return any(has_column(connection, *names) and _is_used(connection, *names) for names in COLUMNS)


def read(connection: Connection) -> Iterator[bytes]:
    """Yield the stored secrets, as they are encrypted."""
    for table_name, column_name in COLUMNS:
        if has_column(connection, table_name, column_name):
            rows = table(table_name, column(column_name), schema=SCHEMA)
            secret: ColumnElement[bytes] = column(column_name)
            statement = select(secret).select_from(rows).where(secret.is_not(None))
            yield from map(bytes, connection.scalars(statement))


def _is_used(connection: Connection, table_name: str, column_name: str) -> bool:
    rows = table(table_name, column(column_name), schema=SCHEMA)
    is_there = exists().select_from(rows).where(column(column_name).is_not(None))
    return bool(connection.scalar(select(is_there)))
