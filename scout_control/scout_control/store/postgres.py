"""Connections to Postgres: URLs, session options, login passwords, and connection errors.

Independent of tables and datasets.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from scout_control.errors import ServerError, ServerUnavailableError
from scout_control.rules import database_urls, session_settings
from scout_control.store import tls_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import Connection

log = logging.getLogger(__name__)

# SQLSTATEs of two sessions that create the same object concurrently; a retry finds it created.
CONCURRENT_DDL = ("23505", "42710", "42P06", "40P01", "XX000")
MAX_DDL_TRIES, SECONDS_BETWEEN_TRIES = 10, 0.1
CONNECT_SECONDS = 10
NOTED_AFTER_SECONDS = 1.5
CREDENTIAL_OPTIONS = ("user", "password")  # URL options that override what precedes the host


@contextmanager
def slow_connection_noted(
    server: str, after_seconds: float = NOTED_AFTER_SECONDS
) -> Iterator[None]:
    """Log that a server does not answer yet, if the block takes long: no one waits in silence.

    Args:
        server: The subject of the message.
        after_seconds: How long that is.
    """
    message = "%s has not answered for %.1f s; waiting up to %d s."
    values = (server, after_seconds, CONNECT_SECONDS)
    timer = threading.Timer(after_seconds, log.warning, (message, *values))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def url_as_role(server_url: str, role: str, password: str) -> str:
    """Return the URL of a server with another role and password."""
    parts = urlsplit(server_url)
    host = parts.netloc.rpartition("@")[2]
    credential = f"{quote(role, safe='')}:{quote(password, safe='')}"
    rest = [
        each for each in parts.query.split("&") if each.partition("=")[0] not in CREDENTIAL_OPTIONS
    ]
    return urlunsplit(parts._replace(netloc=f"{credential}@{host}", query="&".join(rest)))


def connect(
    server_url: str,
    *,
    autocommit: bool = False,
    settings: Iterable[session_settings.Setting] = session_settings.CONTROL,
    **keywords: Any,
) -> Connection[Any]:
    """Connect to a server.

    As a context manager the connection commits, or rolls back after an error, and closes.

    Raises:
        ServerError: The server is unreachable or rejects the login; names the server.
    """
    try:
        with slow_connection_noted(f"Postgres at {database_urls.redacted(server_url)}"):
            return psycopg.connect(
                server_url,
                **defaults(server_url),
                application_name="scout",
                options=options(server_url, settings),
                autocommit=autocommit,
                prepare_threshold=None,  # would break behind a transaction pooler
                cursor_factory=psycopg.ClientCursor,  # the server accepts no parameters in DDL
                **keywords,
            )
    except psycopg.OperationalError as error:
        raise connection_error(
            error, server_url, "Check that it runs, and the role, password and database of the URL."
        ) from None
    except (psycopg.ProgrammingError, ValueError):
        raise ServerError(
            "The URL of the database is invalid.",
            "Write postgresql://user:password@host:port/database.",
        ) from None


def connection_error(
    error: psycopg.Error | ValueError, server_url: str, remedy: str
) -> ServerError:
    """Return the error for a failed connection; it names the server, and the TLS failure if any."""
    return unavailable(f"Postgres at {database_urls.redacted(server_url)}", error, remedy)


def unavailable(server: str, error: BaseException | None, remedy: str) -> ServerError:
    """Return the error for a server that could not be reached or rejected the login.

    Args:
        server: The subject of the message.
        error: Why the connection failed; a TLS failure is explained instead.
        remedy: What to do unless it is a TLS failure.
    """
    if tls_failure := tls_errors.explain(error):
        cause, tls_remedy = tls_failure
        return ServerUnavailableError(f"{server} {cause}.", tls_remedy)
    return ServerUnavailableError(f"{server} does not answer, or rejects the login.", remedy)


def statement_error(failure: str, error: psycopg.Error, remedy: str) -> ServerError:
    """Return the error for a failed statement, without quoting Postgres: it may name owners."""
    return ServerError(f"{failure} ({type(error).__name__}, SQLSTATE {error.sqlstate}).", remedy)


def has_role(connection: Connection[Any], role: str) -> bool:
    """Return whether a role exists."""
    query = "SELECT FROM pg_catalog.pg_roles WHERE rolname = %s"
    return connection.execute(query, [role]).fetchone() is not None


def join_role(connection: Connection[Any], role: str) -> None:
    """Make control a member of a role: only members can drop its objects and end its sessions."""
    query = "SELECT pg_catalog.pg_has_role(%s, 'USAGE')"
    if connection.execute(query, [role]).fetchone() != (True,):
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))


def set_login(
    connection: Connection[Any], role: str, password: str, valid_until: str | None = None
) -> None:
    """Let a role log in with this password, which is sent as a SCRAM verifier only.

    So the password appears neither in the server's log nor in ``pg_stat_activity``.
    """
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
        sql.Identifier(role), sql.Literal(verifier)
    )
    if valid_until is not None:
        statement += sql.SQL(" VALID UNTIL {}").format(sql.Literal(valid_until))
    connection.execute(statement)


def disable_login(connection: Connection[Any], role: str) -> None:
    """Remove the login and the password of a role."""
    statement = sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL")
    connection.execute(statement.format(sql.Identifier(role)))


def defaults(server_url: str) -> dict[str, Any]:
    """Return the parameters that a connection has unless its URL says otherwise."""
    try:
        given = conninfo_to_dict(server_url)
    except (psycopg.Error, ValueError):  # the connection itself reports it
        return {}
    return {} if "connect_timeout" in given else {"connect_timeout": CONNECT_SECONDS}


def options(server_url: str, settings: Iterable[session_settings.Setting]) -> str:
    """Return connection options: those of the URL, overridden by these settings.

    They apply from the start of the session, before the driver's first query.
    """
    given = conninfo_to_dict(server_url).get("options") or ""
    return f"{given} {session_settings.options(settings)}"
