"""How to reach a Postgres server: URLs, connections, and errors that name the server.

Knows no table and no dataset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from scout_control.errors import ServerError
from scout_control.rules import database_urls, session_settings
from scout_control.store import tls_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

# What Postgres answers when two sessions make the same thing at once; the next try finds it made.
AT_ONCE = ("23505", "42710", "42P06", "40P01", "XX000")
TRIES_AT_ONCE, SECONDS_BETWEEN_TRIES = 10, 0.1
LOGIN = ("user", "password")  # options of a URL that win over what stands before the host


def with_login(server_url: str, user: str, password: str) -> str:
    """Return the URL of a server with another login."""
    parts = urlsplit(server_url)
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    rest = [each for each in parts.query.split("&") if each.partition("=")[0] not in LOGIN]
    return urlunsplit(parts._replace(netloc=f"{login}@{host}", query="&".join(rest)))


def connect(
    server_url: str,
    *,
    autocommit: bool = False,
    settings: Iterable[session_settings.Setting] = session_settings.CONTROL,
    **keywords: Any,
) -> Connection[Any]:
    """Connect to a server, or say which one does not answer.

    As a context it commits at its end, or rolls back after an error, and closes.
    """
    try:
        return psycopg.connect(
            server_url,
            connect_timeout=10,
            application_name="scout",
            options=options(server_url, settings),
            autocommit=autocommit,
            prepare_threshold=None,  # which a pooler of transactions would not forgive
            cursor_factory=psycopg.ClientCursor,  # the server takes no parameters in DDL
            **keywords,
        )
    except psycopg.OperationalError as error:
        raise unreachable(
            error, server_url, "Check that it runs, and the URL's user, password and database."
        ) from None
    except (psycopg.ProgrammingError, ValueError):
        raise ServerError(
            "The URL of the database cannot be read.",
            "Write postgresql://user:password@host:port/database.",
        ) from None


def unreachable(error: psycopg.Error | ValueError, server_url: str, remedy: str) -> ServerError:
    """Say which server lets no one in, and which failure of TLS it is, if it is one."""
    where = database_urls.shown(server_url)
    if of_tls := tls_errors.refused_because(error):
        return ServerError(f"Postgres at {where} {of_tls[0]}.", of_tls[1])
    return ServerError(f"Postgres does not answer at {where}, or refuses the login.", remedy)


def options(server_url: str, settings: Iterable[session_settings.Setting]) -> str:
    """Return the options of a connection: those that its URL names, and ours, which win.

    They hold from the first moment: not even a driver looks anything up before.
    """
    told = conninfo_to_dict(server_url).get("options") or ""
    return f"{told} {session_settings.options(settings)}"
