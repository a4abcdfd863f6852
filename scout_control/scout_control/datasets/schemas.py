"""The dataset schema of a dataset, made before each run; ``schema_drop`` drops it.

Whoever calls holds the dataset's lock: sessions of its writer that are still there are left over
from a worker that died or was cut off, and are ended.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.datasets import provision as provisioning
from scout_control.datasets import role_retirement
from scout_control.errors import ControlError, ServerError
from scout_control.rules.naming import query_role, writer_role
from scout_control.store import postgres, singer_state
from scout_control.store.datasets import names
from scout_control.store.locks import GRANTS, alone
from scout_control.store.models import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import Cursor

    from scout_control.datasets.provision import Place
    from scout_control.installation.installation import Site
    from scout_control.store.locks import Locks
    from scout_control.store.models import Dataset

log = logging.getLogger(__name__)

CAN_LOG_IN = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname = ANY(%s)"
LET_TOUCH = (
    "GRANT USAGE ON SCHEMA {store} TO {reader}",
    "GRANT EXECUTE ON FUNCTION {store}.touch(text) TO {reader}",
)


@contextmanager
def provisioned(site: Site, dataset: Dataset, locks: Locks) -> Iterator[Place]:
    """Give the login of a dataset's writer, and end it when it is no longer needed.

    A worker that lost the dataset's lock meanwhile leaves that to the one that has it.

    Raises:
        ControlError: The server does not answer, does not let us, or the schema is another's.
    """
    place = provision(site, dataset)
    try:
        yield place
    finally:
        if locks.are_ours():
            end_login(site, dataset)


def end_login(site: Site, dataset: Dataset) -> None:
    """End the login of a dataset's writer; one that is left is ended by upkeep."""
    try:
        provisioning.end_login(site.server_url_of(dataset), writer_role(dataset.schema_name))
    except ControlError as error:
        log.warning("login_not_ended schema=%s: %s", dataset.schema_name, error.cause)


def open_logins(site: Site, all_datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return the datasets whose writer may log in now."""
    by_url: dict[str, dict[str, Dataset]] = {}
    for dataset in all_datasets:
        roles = by_url.setdefault(site.server_url_of(dataset), {})
        roles[writer_role(dataset.schema_name)] = dataset
    found: list[Dataset] = []
    for url, roles in by_url.items():
        with suppress(ControlError, psycopg.Error), _cursor(url) as cursor:
            cursor.execute(CAN_LOG_IN, [sorted(roles)])
            found += [roles[name] for (name,) in cursor.fetchall()]
    return found


def provision(site: Site, dataset: Dataset) -> Place:
    """Make sure that the place is there, for exactly its readers, and that nobody else writes.

    Raises:
        ControlError: The server does not answer, does not let us, or the schema is another's.
    """
    server_url = site.server_url_of(dataset)
    _forget_state_of_nothing(site, server_url, dataset.schema_name)
    place = provisioning.provision(server_url, names(dataset))
    try:
        _admit_readers(site, server_url, dataset, place)
    except BaseException:
        end_login(site, dataset)
        raise
    return place


def _admit_readers(site: Site, server_url: str, dataset: Dataset, place: Place) -> None:
    try:
        with _cursor(server_url) as cursor:
            cursor.execute(provisioning.LEFT_OVER, [place.writer])
            role_retirement.bring_back(cursor.connection, names(dataset))
            if site.is_in_store(dataset):
                _let_touch(site, cursor, place.reader)
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [query_role(place.schema)])
            is_queried = cursor.fetchone() is not None
    except psycopg.Error as error:
        raise ServerError(
            f"Postgres did not prepare {place.schema} "
            f"({type(error).__name__}, SQLSTATE {error.sqlstate}).",
            "Run again; if it stays so, look into the server's log.",
        ) from None
    members = [*dataset.readers, *([query_role(place.schema)] if is_queried else [])]
    gone = provisioning.let_read(server_url, place.schema, members, may_lack=True)
    if gone:
        log.warning("readers_gone schema=%s roles=%s: see scout doctor", place.schema, gone)


def _forget_state_of_nothing(site: Site, server_url: str, schema: str) -> None:
    """Let a load begin from the start where somebody has dropped the schema past control."""
    with _cursor(server_url) as cursor:
        cursor.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema])
        is_there = cursor.fetchone() is not None
    if not is_there:
        forget_state(site, schema)


def forget_state(site: Site, schema: str) -> None:
    """Let the next load of a dataset begin from the start; committed before anything is dropped.

    A place without state is read anew; state without a place would lose rows for good.

    Raises:
        ServerError: The store does not answer, or somebody holds that state.
    """
    try:
        singer_state.forget(site.state_url, schema)
    except psycopg.Error as error:
        raise ServerError.of_postgres(error, error.sqlstate) from None


@contextmanager
def _cursor(url: str) -> Iterator[Cursor[Any]]:
    """Open a transaction; committed at the end."""
    with postgres.connect(url) as connection, connection.cursor() as opened:
        yield opened


def _let_touch(site: Site, cursor: Cursor[Any], reader: str) -> None:
    """Let readers call the touch function; one grant at a time, for they change the same rows."""
    cursor.execute("SELECT has_schema_privilege(%s, %s, 'USAGE')", [reader, SCHEMA])
    if cursor.fetchone() == (True,):
        return
    names_of = {"store": sql.Identifier(SCHEMA), "reader": sql.Identifier(reader)}
    with alone(site.store, GRANTS):
        for statement in LET_TOUCH:
            cursor.execute(sql.SQL(statement).format(**names_of))
        cursor.connection.commit()
