"""Access to the store: engine, transactions, and database errors as user-facing errors."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from weakref import ref

import psycopg
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from scout_control.errors import (
    ConflictError,
    ControlError,
    PrivilegeError,
    ServerError,
    SettingsError,
)
from scout_control.rules import session_settings
from scout_control.store import postgres
from scout_control.store.models import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

CONNECT_SECONDS = 10
VERSION_OF_STORE = text("SELECT version_num FROM scout_control.alembic_version")
# By SQLSTATE prefix, first match wins. Postgres' own message is never quoted: it may hold values.
ERRORS_BY_SQLSTATE: tuple[tuple[str, type[ControlError], str, str], ...] = (
    ("23001", ConflictError, "It is still used by a {row}.", "Remove that first."),
    ("23503", ConflictError, "It is still used by a {row}.", "Remove that first."),
    (
        "23505",
        ConflictError,
        "This {row} already exists.",
        "Change the existing one, or choose another name.",
    ),
    (
        "22",
        SettingsError,
        "A value is too long, out of range, or contains invalid characters.",
        "Correct it.",
    ),
    ("23514", SettingsError, "A value violates the constraint {constraint}.", "Correct it."),
    ("42P01", SettingsError, "The store does not exist or is outdated.", "Run: scout init"),
    ("42703", SettingsError, "The store is outdated.", "Run: scout init"),
    (
        "25006",
        ServerError,
        "The store's Postgres is read-only: a standby, or a session set to read only.",
        "Point SCOUT_DATABASE_URL at the primary.",
    ),
    ("3F000", SettingsError, "The store does not exist.", "Run: scout init"),
    (
        "55P03",
        ConflictError,
        "Could not acquire a lock in time: another session holds it.",
        "Retry in a moment; if the error persists, look for waiting sessions in pg_stat_activity.",
    ),
    (
        "42501",
        PrivilegeError,
        "The role of SCOUT_DATABASE_URL lacks a privilege.",
        "See: scout doctor",
    ),
    (
        "53",
        ServerError,
        "The server is out of disk, memory or connections.",
        "Free some, then retry.",
    ),
)
# The names of rows in messages, by table.
ROW_NAMES = {
    "connections": "connection",
    "projects": "project",
    "sources": "source",
    "project_sources": "link",
    "credentials": "credential",
    "datasets": "dataset",
    "runs": "run",
}


class Store:
    """The store at a URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        parsed = sqlalchemy_url(url)
        # SQLAlchemy does not percent-decode the database name of a URL; libpq does.
        name = {"dbname": unquote(parsed.database)} if parsed.database else {}
        given = parsed.query.get("options") or ""
        given = given if isinstance(given, str) else " ".join(given)
        self.engine = create_engine(
            parsed,
            # As connection options, since the driver already queries types when it connects.
            connect_args={
                **name,
                "options": f"{given} {session_settings.options(session_settings.STORE)}",
            },
            pool_pre_ping=True,
            pool_size=4,
            use_native_hstore=False,
        )
        os.register_at_fork(after_in_child=partial(_forget_parent_connections, ref(self.engine)))
        self._is_version_checked = False

    @property
    def driver_url(self) -> str:
        """The URL in libpq's syntax, with the password."""
        url = self.engine.url.set(drivername="postgresql")
        # SQLAlchemy writes spaces as " " or "+". libpq rejects the former, with a message that
        # quotes the password, and takes the latter literally.
        address, mark, options = url.render_as_string(hide_password=False).partition("?")
        return address.replace(" ", "%20") + mark + options.replace("+", "%20")

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open a transaction: commits at the end, rolls back on an error.

        Raises:
            SettingsError: The version of the store differs from that of this program.
            ControlError: The database reported an error.
        """
        with self.begin_at_any_version() as session:
            if not self._is_version_checked:
                _check_version(session.scalar(VERSION_OF_STORE))
                self._is_version_checked = True
            yield session

    @contextmanager
    def begin_at_any_version(self) -> Iterator[Session]:
        """Open a transaction without checking the version of the store.

        Raises:
            ControlError: The database reported an error.
        """
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except DBAPIError as error:
            raise to_control_error(error) from None
        except UnicodeEncodeError:
            raise SettingsError("A value is not UTF-8.", "Correct it.") from None

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _forget_parent_connections(engine_ref: ref[Engine]) -> None:
    """Let a forked child open its own connections: processes must not share one."""
    if (engine := engine_ref()) is not None:
        engine.dispose(close=False)


def _check_version(version: str | None) -> None:
    if version is not None and version > VERSION:
        raise newer_store_error(version)
    if version != VERSION:
        raise SettingsError("The store is outdated.", "Run: scout init")


def newer_store_error(version: str | None) -> SettingsError:
    """Return the error for a store that a newer release has migrated."""
    return SettingsError(
        f"The store (version {version}) was migrated by a newer release.", "Upgrade scout here."
    )


def driver_connection(session: Session) -> psycopg.Connection[Any]:
    """Return the driver's connection of a session, to execute statements in its transaction."""
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise TypeError("The store requires psycopg 3.")
    return connection


def sqlalchemy_url(url: str) -> URL:
    """Return a Postgres URL in the syntax of SQLAlchemy with psycopg 3.

    Raises:
        SettingsError: It is not a Postgres URL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: invalid port or IPv6 address
        parsed = None
    if parsed is None or not parsed.drivername.startswith("postgres"):
        raise SettingsError(
            "SCOUT_DATABASE_URL is not a URL of Postgres.",
            "Write postgresql://user:password@host:port/database.",
        )
    query = {"connect_timeout": str(CONNECT_SECONDS), **parsed.query, "application_name": "scout"}
    return parsed.set(drivername="postgresql+psycopg", query=query)


def to_control_error(error: DBAPIError) -> ControlError:
    """Return the user-facing error for a database error, without quoting Postgres."""
    origin = error.orig
    state = getattr(origin, "sqlstate", None) or ""
    if not state and isinstance(origin, psycopg.DataError):
        state = "22"  # rejected by the driver
    diagnosis = getattr(origin, "diag", None)
    constraint = getattr(diagnosis, "constraint_name", None) or "of a column"
    row = ROW_NAMES.get(getattr(diagnosis, "table_name", None) or "", "row")
    for prefix, kind, cause, remedy in ERRORS_BY_SQLSTATE:
        if state.startswith(prefix):
            return kind(cause.format(constraint=constraint, row=row), remedy)
    if not state:
        return postgres.unavailable(
            "The store's Postgres",
            origin,
            "Check that it runs, and the role, password and database of SCOUT_DATABASE_URL.",
        )
    return ServerError(
        f"The store's Postgres failed ({type(origin).__name__}, SQLSTATE {state}).",
        "Check the server's log, then retry.",
    )
