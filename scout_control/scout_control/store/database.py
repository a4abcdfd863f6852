"""The way to the store: an engine, transactions, and errors fit to show to people."""

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

from scout_control.errors import ConflictError, ControlError, ServerError, SettingsError
from scout_control.rules import session_settings
from scout_control.store import tls_errors
from scout_control.store.models import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

CONNECT_SECONDS = 10
VERSION_OF_STORE = text("SELECT version_num FROM scout_control.alembic_version")
# By SQLSTATE, first match wins. What Postgres says is never quoted: it may hold values.
REFUSALS: tuple[tuple[str, type[ControlError], str, str], ...] = (
    ("23001", ConflictError, "It is still in use by a {what}.", "Remove what uses it first."),
    ("23503", ConflictError, "It is still in use by a {what}.", "Remove what uses it first."),
    ("23505", ConflictError, "There is such a {what} already.", "Change that one, or rename."),
    (
        "22",
        SettingsError,
        "A value is too long or too large, or holds what no text may hold.",
        "Correct it.",
    ),
    ("23514", SettingsError, "A value is outside what is allowed ({where}).", "Correct it."),
    ("42P01", SettingsError, "The store is not there, or is older than this.", "Run: scout init"),
    ("42703", SettingsError, "The store is older than this program.", "Run: scout init"),
    (
        "25006",
        ServerError,
        "The store's Postgres lets nobody write: a standby, or a session set to read only.",
        "Point SCOUT_DATABASE_URL at the primary.",
    ),
    ("3F000", SettingsError, "The store is not there.", "Run: scout init"),
    (
        "55P03",
        ConflictError,
        "Something else is at work there and did not end in time.",
        "Try again in a moment; if it stays so, look for sessions that wait: pg_stat_activity.",
    ),
    ("42501", ServerError, "The role of the store's URL may not do this.", "See: scout doctor"),
    (
        "53",
        ServerError,
        "The server is out of disk, memory or connections.",
        "Free some, try again.",
    ),
)
# What a row of a table is called.
WORDS = {
    "connections": "connection",
    "projects": "project",
    "sources": "source",
    "project_sources": "link",
    "credentials": "login",
    "datasets": "dataset",
    "runs": "run",
}


class Store:
    """The store at one URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        parsed = sqlalchemy_url(url)
        # SQLAlchemy leaves the database's name as it is spelled in an address; libpq does not.
        name = {"dbname": unquote(parsed.database)} if parsed.database else {}
        told = parsed.query.get("options") or ""
        told = told if isinstance(told, str) else " ".join(told)
        self.engine = create_engine(
            parsed,
            # From the first moment: the driver itself looks types up when it connects.
            connect_args={
                **name,
                "options": f"{told} {session_settings.options(session_settings.STORE)}",
            },
            pool_pre_ping=True,
            pool_size=4,
            use_native_hstore=False,
        )
        os.register_at_fork(after_in_child=partial(_leave_to_parent, ref(self.engine)))
        self._is_of_our_version = False

    @property
    def driver_url(self) -> str:
        """Return the URL as libpq understands it, with the password."""
        plain = self.engine.url.set(drivername="postgresql")
        # SQLAlchemy writes spaces as " " and "+"; libpq refuses the one, and quotes the password
        # when it does, and takes the other for what it is.
        address, mark, options = plain.render_as_string(hide_password=False).partition("?")
        return address.replace(" ", "%20") + mark + options.replace("+", "%20")

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open a transaction: committed at the end, rolled back by an error.

        Raises:
            SettingsError: The store is of another version than this program.
            ControlError: What the database refused, in words.
        """
        with self.begin_at_any_version() as session:
            if not self._is_of_our_version:
                _check_version(session.scalar(VERSION_OF_STORE))
                self._is_of_our_version = True
            yield session

    @contextmanager
    def begin_at_any_version(self) -> Iterator[Session]:
        """Open a transaction in which the store's own tables may be other than they should.

        Raises:
            ControlError: What the database refused, in words.
        """
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except DBAPIError as error:
            raise refusal(error) from None
        except UnicodeEncodeError:
            raise SettingsError("A value is not UTF-8.", "Correct it.") from None

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _leave_to_parent(known: ref[Engine]) -> None:
    """Let a process that was forked off connect for itself: a connection serves one only."""
    if (engine := known()) is not None:
        engine.dispose(close=False)


def _check_version(found: str | None) -> None:
    if found is not None and found > VERSION:
        raise is_newer(found)
    if found != VERSION:
        raise SettingsError("The store is older than this program.", "Run: scout init")


def is_newer(found: str | None) -> SettingsError:
    """Return the error of a store that a later program has brought to its version."""
    return SettingsError(
        f"The store's version ({found}) is none that this program knows: it is newer.",
        "Bring this program to the version of the others that use the store.",
    )


def driver_connection(session: Session) -> psycopg.Connection[Any]:
    """Return the driver's connection below a session, for what shall happen in its transaction."""
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise TypeError("The store speaks psycopg 3.")
    return connection


def sqlalchemy_url(url: str) -> URL:
    """Return a URL of Postgres as SQLAlchemy and psycopg 3 understand it.

    Raises:
        SettingsError: It is not a URL of Postgres.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port or an address that is none
        parsed = None
    if parsed is None or not parsed.drivername.startswith("postgres"):
        raise SettingsError(
            "SCOUT_DATABASE_URL is not a URL of Postgres.",
            "Write postgresql://user:password@host:port/database.",
        )
    query = {"connect_timeout": str(CONNECT_SECONDS), **parsed.query, "application_name": "scout"}
    return parsed.set(drivername="postgresql+psycopg", query=query)


def refusal(error: DBAPIError) -> ControlError:
    """Say what the database refused, without its words."""
    origin = error.orig
    state = getattr(origin, "sqlstate", None) or ""
    if not state and isinstance(origin, psycopg.DataError):
        state = "22"  # the driver refused it before the server could
    diagnosis = getattr(origin, "diag", None)
    where = getattr(diagnosis, "constraint_name", None) or "a constraint"
    what = WORDS.get(getattr(diagnosis, "table_name", None) or "", "row")
    for prefix, kind, cause, remedy in REFUSALS:
        if state.startswith(prefix):
            return kind(cause.format(where=where, what=what), remedy)
    if not state and (of_tls := tls_errors.refused_because(origin)):
        return ServerError(f"The store's Postgres {of_tls[0]}.", of_tls[1])
    if not state:
        return ServerError(
            "The store's Postgres does not answer, or refuses the login.",
            "Check that it runs, and the user, password and database of SCOUT_DATABASE_URL.",
        )
    return ServerError(
        f"The store's Postgres failed ({type(origin).__name__}, SQLSTATE {state}).",
        "Look into the server's log, then try again.",
    )
