"""Reads the store with the driver alone: importing SQLAlchemy takes longer than all of ``status``.

Only for reading; what writes goes through ``database``.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from scout_control.errors import SettingsError
from scout_control.rules import session_settings
from scout_control.store import postgres, sqlstates, version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg import Connection

SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
READ_ONLY: tuple[session_settings.Setting, ...] = (("default_transaction_read_only", "on"),)
VERSION = "SELECT version_num FROM scout_control.alembic_version"


def invalid_url() -> SettingsError:
    """Return the error for a store whose URL is not one of Postgres."""
    return SettingsError(
        "SCOUT_DATABASE_URL is not a URL of Postgres.",
        "Write postgresql://user:password@host:port/database.",
    )


class StoreReader:
    """A transaction in which the store is read."""

    def __init__(self, connection: Connection[dict[str, Any]]) -> None:
        self._connection = connection

    def rows(self, query: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a query, by column."""
        return self._connection.execute(query.encode(), values).fetchall()


@contextmanager
def opened(url: str) -> Iterator[StoreReader]:
    """Open the store at a URL for reading.

    Raises:
        SettingsError: The URL is invalid, or the version of the store differs from this program's.
        ControlError: The database reported an error.
    """
    if SCHEME.match(url) is None:
        raise invalid_url()
    url = SCHEME.sub("postgresql://", url)
    try:
        options = postgres.options(url, (*session_settings.STORE, *READ_ONLY))
        with postgres.slow_connection_noted("The store's Postgres"):
            connected = psycopg.connect(
                url,
                **postgres.defaults(url),
                application_name="scout",
                options=options,
                row_factory=dict_row,
                prepare_threshold=None,
            )
        with connected as connection:
            reader = StoreReader(connection)
            found = reader.rows(VERSION)
            version.check(found[0]["version_num"] if found else None)
            yield reader
    except psycopg.ProgrammingError as error:
        raise (sqlstates.to_control_error(error) if error.sqlstate else invalid_url()) from None
    except (psycopg.Error, ValueError) as error:
        raise sqlstates.to_control_error(error) from None
