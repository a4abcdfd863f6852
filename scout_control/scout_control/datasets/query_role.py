"""Sessions of a dataset's query role, the only role that evaluates objects of the writer.

A view, policy, type or operator of a writer may call any function with the privileges of the role
that reads it. A session that logged in as control and used SET ROLE could reset it, so the session
logs in as the query role, which can read this dataset schema and nothing else. Its login is enabled
only for the moment of connecting, and all reads have a time limit.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.datasets.values import ADAPTERS
from scout_control.errors import ControlError
from scout_control.rules import session_settings
from scout_control.rules.naming import query_role, reader_role
from scout_control.store.postgres import (
    connect,
    defaults,
    disable_login,
    has_role,
    join_role,
    options,
    set_login,
    unavailable,
    url_as_role,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROLE_SETTINGS = (
    "ALTER ROLE {role} SET default_transaction_read_only TO on",
    "ALTER ROLE {role} SET search_path TO {schema}",
)
TERMINATE_SESSION = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND usename = %s"
)
SECONDS_TO_CANCEL = 3.0
"""How long a statement may ignore its cancellation before the session is terminated."""


def connect_as_query_role(
    server_url: str,
    schema: str,
    settings: Iterable[session_settings.Setting] = session_settings.INSPECTOR,
) -> psycopg.Connection[Any]:
    """Connect as the query role of a dataset, with a password for this connection only.

    The caller must serialize calls for a dataset: concurrent ones overwrite each other's password.

    Raises:
        ServerError: The server does not answer, or rejects the login.
        psycopg.errors.UndefinedObject: The dataset has no roles, since it was never loaded.
    """
    role, password = query_role(schema), secrets.token_urlsafe(32)
    with connect(server_url, autocommit=True) as control:
        # Committed before connecting, since the new session must see the password.
        with control.transaction():
            _enable_login(control, schema, role, password)
        try:
            return open_session(server_url, role, password, settings)
        except psycopg.OperationalError as error:
            raise unavailable(
                "The dataset's server",
                error,
                "Check that it runs, and that pg_hba.conf allows password logins.",
            ) from None
        finally:
            # The established session continues; only new logins are prevented.
            with suppress(psycopg.Error):
                disable_login(control, role)


def open_session(
    server_url: str, role: str, password: str, settings: Iterable[session_settings.Setting]
) -> psycopg.Connection[Any]:
    """Open a session of a reader.

    Raises:
        psycopg.OperationalError: The server does not answer, or rejects the login.
    """
    return psycopg.connect(
        url_as_role(server_url, role, password),
        **defaults(server_url),
        application_name="scout query",
        options=options(server_url, settings),
        prepare_threshold=None,
        context=ADAPTERS,
    )


def _enable_login(control: psycopg.Connection[Any], schema: str, role: str, password: str) -> None:
    names = {"role": sql.Identifier(role), "schema": sql.Identifier(schema)}
    if not has_role(control, role):
        for statement in ("CREATE ROLE {role} NOLOGIN", *ROLE_SETTINGS):
            control.execute(sql.SQL(statement).format(**names))
    reader = sql.Identifier(reader_role(schema))
    control.execute(sql.SQL("GRANT {reader} TO {role}").format(reader=reader, **names))
    join_role(control, role)
    set_login(control, role, password)


@contextmanager
def time_limit(reader: psycopg.Connection[Any], server_url: str, seconds: float) -> Iterator[None]:
    """Cancel, then terminate a session after this time.

    statement_timeout would not do: the session itself can change it, and a function can catch the
    cancellation. Who may end the session otherwise, such as an administrator, is not told apart by
    Postgres, but by the time.
    """
    is_done = threading.Event()
    watcher = threading.Thread(target=_terminate_after, args=(reader, server_url, seconds, is_done))
    watcher.start()
    try:
        yield
    finally:
        is_done.set()
        watcher.join()


def _terminate_after(
    reader: psycopg.Connection[Any], server_url: str, seconds: float, is_done: threading.Event
) -> None:
    pid, role = reader.info.backend_pid, reader.info.user
    if is_done.wait(seconds):
        return
    with suppress(psycopg.Error):
        reader.cancel_safe(timeout=SECONDS_TO_CANCEL)
    # In a loop: the server may be unreachable at first, and the caller waits for this thread.
    while not is_done.wait(SECONDS_TO_CANCEL):
        with suppress(psycopg.Error, ControlError), connect(server_url) as control:
            control.execute(TERMINATE_SESSION, [pid, role])
