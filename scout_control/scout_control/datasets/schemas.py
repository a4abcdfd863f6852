"""Provisions the schema of a dataset before each run; ``schema_drop`` drops it.

The caller holds the dataset's lock. So any session of its writer is left over from a worker that
died or was cut off, and is terminated.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.datasets import provision as provisioning
from scout_control.datasets import role_retirement, sharing
from scout_control.errors import ControlError, ServerError
from scout_control.rules.naming import WRITER_SUFFIX, writer_role
from scout_control.store import postgres, singer_state
from scout_control.store.datasets import names
from scout_control.store.locks import GRANTS_LOCK, exclusive
from scout_control.store.models import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Cursor

    from scout_control.datasets.provision import ProvisionedSchema
    from scout_control.installation.installation import Installation
    from scout_control.store.locks import Locks
    from scout_control.store.models import Dataset

log = logging.getLogger(__name__)

ROLES_WITH_LOGIN = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolcanlogin AND rolname LIKE %s"
GRANT_TOUCH = (
    "GRANT USAGE ON SCHEMA {store} TO {reader}",
    "GRANT EXECUTE ON FUNCTION {store}.touch(text) TO {reader}",
)


@contextmanager
def provisioned_schema(
    installation: Installation, dataset: Dataset, locks: Locks
) -> Iterator[ProvisionedSchema]:
    """Provision a dataset's schema; disable the writer's login at the end.

    A worker that has lost the dataset's lock leaves that to the worker that holds it now.

    Raises:
        ControlError: The server does not answer, lacks a privilege, or the schema is not ours.
    """
    provisioned = provision(installation, dataset)
    try:
        yield provisioned
    finally:
        if locks.are_held():
            disable_writer(installation, dataset)


def disable_writer(installation: Installation, dataset: Dataset) -> None:
    """Disable the login of a dataset's writer; maintenance retries after a failure."""
    try:
        provisioning.disable_login(
            installation.server_url_of(dataset), writer_role(dataset.schema_name)
        )
    except ControlError as error:
        log.warning("login_not_disabled schema=%s: %s", dataset.schema_name, error.cause)


def with_enabled_writer(installation: Installation) -> list[str]:
    """Return the dataset schemas whose writer can log in now, on all servers.

    The servers list their logins: as many as runs in progress, where the store has many more
    datasets.
    """
    enabled: list[str] = []
    for url in installation.usable_server_urls():
        # One server that is away must not keep the logins of all others enabled.
        with suppress(ControlError, psycopg.Error), _cursor(url) as cursor:
            cursor.execute(ROLES_WITH_LOGIN, [f"%{WRITER_SUFFIX}"])
            enabled += [name.removesuffix(WRITER_SUFFIX) for (name,) in cursor.fetchall()]
    return enabled


def provision(installation: Installation, dataset: Dataset) -> ProvisionedSchema:
    """Provision a dataset's schema, grant its readers access, terminate other writer sessions.

    Raises:
        ControlError: The server does not answer, lacks a privilege, or the schema is not ours.
    """
    server_url = installation.server_url_of(dataset)
    # First: once the schema exists again, nothing shows that its rows were lost, and a crash in
    # between would keep bookmarks that skip them permanently.
    _delete_state_if_schema_is_missing(installation, server_url, dataset.schema_name)
    provisioned = provisioning.provision(server_url, names(dataset))
    try:
        _grant_readers(installation, server_url, dataset, provisioned)
    except BaseException:
        # Also for an interrupt: the login is committed, and the caller, who would disable it at
        # the end of the run, never learns of it.
        disable_writer(installation, dataset)
        raise
    return provisioned


def _grant_readers(
    installation: Installation, server_url: str, dataset: Dataset, provisioned: ProvisionedSchema
) -> None:
    try:
        with _cursor(server_url) as cursor:
            cursor.execute(provisioning.TERMINATE_SESSIONS, [provisioned.writer])
            role_retirement.clear_marks(cursor.connection, names(dataset))
            if installation.is_in_store(dataset):
                _grant_touch(installation, cursor, provisioned.reader)
    except psycopg.Error as error:
        raise postgres.statement_error(
            f"Postgres could not provision {provisioned.schema}",
            error,
            "Retry; if the error persists, check the server's log.",
        ) from None
    missing = sharing.set_readers(
        server_url, provisioned.schema, dataset.readers, skip_missing=True
    )
    if missing:
        log.warning(
            "readers_missing schema=%s roles=%s: see scout doctor", provisioned.schema, missing
        )


def _delete_state_if_schema_is_missing(
    installation: Installation, server_url: str, schema: str
) -> None:
    """Reset the state if the schema was dropped outside of control, so that all is loaded again."""
    with _cursor(server_url) as cursor:
        cursor.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema])
        exists = cursor.fetchone() is not None
    if not exists:
        delete_state(installation, schema)


def delete_state(installation: Installation, schema: str) -> None:
    """Delete the state of a dataset, so that its next load starts from the beginning.

    Call this before dropping data. Data without state is loaded again; state without data would
    skip rows permanently.

    Raises:
        ServerError: The store does not answer, or the state is locked.
    """
    try:
        singer_state.delete(installation.state_url, schema)
    except psycopg.Error as error:
        raise ServerError.of_postgres(error, error.sqlstate) from None


@contextmanager
def _cursor(url: str) -> Iterator[Cursor[Any]]:
    """Open a transaction that commits at the end."""
    with postgres.connect(url) as connection, connection.cursor() as opened:
        yield opened


def _grant_touch(installation: Installation, cursor: Cursor[Any], reader: str) -> None:
    """Let readers call the touch function.

    One grant at a time: concurrent grants update the same catalog rows, and one would fail.
    """
    cursor.execute("SELECT has_schema_privilege(%s, %s, 'USAGE')", [reader, SCHEMA])
    if cursor.fetchone() == (True,):
        return
    names_of = {"store": sql.Identifier(SCHEMA), "reader": sql.Identifier(reader)}
    with exclusive(installation.store, GRANTS_LOCK):
        for statement in GRANT_TOUCH:
            cursor.execute(sql.SQL(statement).format(**names_of))
        # Before the lock is released: the next grant must see these rows of the catalog.
        cursor.connection.commit()
