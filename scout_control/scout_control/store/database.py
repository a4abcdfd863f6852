"""Access to the store: engine, transactions, and database errors as user-facing errors."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from weakref import ref

import psycopg
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from scout_control.errors import BusyError, SettingsError
from scout_control.rules import session_settings
from scout_control.store import plain_reads, postgres, sqlstates, version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

    from scout_control.errors import ControlError

KEPT_CONNECTIONS, CONNECTIONS = 4, 14
"""To the store: how many are kept, and how many there may be at a time."""
VERSION_OF_STORE = text("SELECT version_num FROM scout_control.alembic_version")


class Store:
    """The store at a URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _make_engine(url, CONNECTIONS)
        os.register_at_fork(after_in_child=partial(_forget_parent_connections, ref(self)))
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
                version.check(session.scalar(VERSION_OF_STORE))
                self._is_version_checked = True
            yield session

    def check_version(self) -> None:
        """Check the version of the store, also if it was checked before.

        Raises:
            SettingsError: It differs from that of this program.
            ControlError: The database reported an error.
        """
        with self.begin_at_any_version() as session:
            version.check(session.scalar(VERSION_OF_STORE))

    def allow(self, connections: int) -> None:
        """Allow this many connections at a time: before several threads use the store."""
        self.engine.dispose()
        self.engine = _make_engine(self.url, connections)

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
            # A signal in the middle of a statement leaves a connection that cannot roll back.
            raise (interruption(error) or to_control_error(error)) from None
        except UnicodeEncodeError:
            raise SettingsError("A value is not UTF-8.", "Correct it.") from None
        except PoolTimeoutError:
            raise BusyError(
                "All connections to the store are in use.", "Try again in a few seconds."
            ) from None

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _make_engine(url: str, connections: int) -> Engine:
    parsed = sqlalchemy_url(url)
    # SQLAlchemy does not percent-decode the database name of a URL; libpq does.
    name = {"dbname": unquote(parsed.database)} if parsed.database else {}
    given = parsed.query.get("options") or ""
    given = given if isinstance(given, str) else " ".join(given)
    engine = create_engine(
        parsed,
        # As connection options, since the driver already queries types when it connects.
        connect_args={
            **name,
            "options": f"{given} {session_settings.options(session_settings.STORE)}",
        },
        pool_pre_ping=True,
        pool_size=KEPT_CONNECTIONS,
        max_overflow=max(0, connections - KEPT_CONNECTIONS),
        use_native_hstore=False,
    )
    event.listen(engine, "do_connect", _connect)
    return engine


def _connect(dialect: Any, _record: Any, arguments: Any, keywords: Any) -> Any:
    """Connect as SQLAlchemy does, and say so when that takes long."""
    with postgres.slow_connection_noted("The store's Postgres"):
        return dialect.connect(*arguments, **keywords)


def _forget_parent_connections(store_ref: ref[Store]) -> None:
    """Let a forked child open its own connections: processes must not share one."""
    if (store := store_ref()) is not None:
        store.engine.dispose(close=False)


def interruption(error: BaseException) -> BaseException | None:
    """Return the signal's exception that an error occurred after, if there was one."""
    earlier = error.__cause__ or error.__context__
    while earlier is not None and isinstance(earlier, Exception):
        earlier = earlier.__cause__ or earlier.__context__
    return earlier


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
        raise plain_reads.invalid_url()
    query = {
        "connect_timeout": str(postgres.CONNECT_SECONDS),
        **parsed.query,
        "application_name": "scout",
    }
    return parsed.set(drivername="postgresql+psycopg", query=query)


def to_control_error(error: DBAPIError) -> ControlError:
    """Return the user-facing error for a database error, without quoting Postgres."""
    return sqlstates.to_control_error(error.orig)
