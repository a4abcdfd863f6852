"""Logs in as a dataset's query role: the only one that evaluates what the dataset's writer owns.

A view, a policy, a type or an operator that a writer made may run any function, with the rights of
the role that reads. A session that logged in as control and then changed its role could change it
back, so the session is one of the query role from its beginning: it reads this dataset schema and
nothing else. The role may log in for that one moment only. All that is read has a time limit.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.errors import ControlError, ServerError
from scout_control.rules import session_settings
from scout_control.rules.naming import query_role, reader_role
from scout_control.store.postgres import connect, options, with_login

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SETTINGS = (
    "ALTER ROLE {role} SET default_transaction_read_only TO on",
    "ALTER ROLE {role} SET search_path TO {schema}",
)
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND usename = %s"
SECONDS_TO_CANCEL = 3.0
"""What a function that takes no heed of being cancelled is given before its session is ended."""


def login(
    server_url: str,
    schema: str,
    settings: Iterable[session_settings.Setting] = session_settings.INSPECTOR,
) -> psycopg.Connection[Any]:
    """Log in as the query role of a dataset, with a password that is good for this login only.

    Two at once would spoil each other's password: the caller keeps them apart.

    Raises:
        ServerError: The server does not answer, or lets no reader in.
        psycopg.errors.UndefinedObject: The dataset has no roles, as it was never loaded.
    """
    role, password = query_role(schema), secrets.token_urlsafe(32)
    with connect(server_url, autocommit=True) as control:
        with control.transaction():
            _open(control, schema, role, password)
        try:
            return psycopg.connect(
                with_login(server_url, role, password),
                connect_timeout=10,
                application_name="scout query",
                options=options(server_url, settings),
                prepare_threshold=None,
            )
        except psycopg.OperationalError:
            raise ServerError(
                "The dataset's server does not answer, or lets no reader in.",
                "Check that it runs, and that pg_hba.conf lets roles log in by password.",
            ) from None
        finally:
            with suppress(psycopg.Error):
                control.execute(_alter(role, "NOLOGIN PASSWORD NULL"))


def _open(control: psycopg.Connection[Any], schema: str, role: str, password: str) -> None:
    names = {"role": sql.Identifier(role), "schema": sql.Identifier(schema)}
    if control.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        for statement in ("CREATE ROLE {role} NOLOGIN", *SETTINGS):
            control.execute(sql.SQL(statement).format(**names))
    reader = sql.Identifier(reader_role(schema))
    control.execute(sql.SQL("GRANT {reader} TO {role}").format(reader=reader, **names))
    if control.execute("SELECT pg_has_role(%s, 'USAGE')", [role]).fetchone() != (True,):
        # It may end what this role does only as a member of it.
        control.execute(sql.SQL("GRANT {role} TO CURRENT_USER").format(**names))
    scrambled = control.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    control.execute(_alter(role, "LOGIN PASSWORD {}", sql.Literal(scrambled)))


def _alter(role: str, change: str, *values: sql.Composable) -> sql.Composed:
    return sql.SQL(f"ALTER ROLE {{}} {change}").format(sql.Identifier(role), *values)


@contextmanager
def bounded(reader: psycopg.Connection[Any], server_url: str, seconds: float) -> Iterator[None]:
    """End what a session does after a while, whatever it does against that.

    The timeouts of a session are its own to change, and a function may catch being cancelled.
    """
    is_done = threading.Event()
    watch = threading.Thread(target=_watch, args=(reader, server_url, seconds, is_done))
    watch.start()
    try:
        yield
    finally:
        is_done.set()
        watch.join()


def _watch(
    reader: psycopg.Connection[Any], server_url: str, seconds: float, is_done: threading.Event
) -> None:
    pid, role = reader.info.backend_pid, reader.info.user
    if is_done.wait(seconds):
        return
    with suppress(psycopg.Error):
        reader.cancel_safe(timeout=SECONDS_TO_CANCEL)
    while not is_done.wait(SECONDS_TO_CANCEL):
        with suppress(psycopg.Error, ControlError), connect(server_url) as control:
            control.execute(END, [pid, role])
