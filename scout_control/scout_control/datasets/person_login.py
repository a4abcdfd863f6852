"""The logins with which people who sign in read a dataset: one role for each person and dataset.

Their queries run as it, and their tools may log in with it. So it can be ended with their access
and with nothing else, and no one can see or end the statements of another person. The role is a
member of the dataset's reader role only. Its password is kept encrypted; most people never see it.
"""

from __future__ import annotations

import logging
import secrets
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from scout_control.datasets import (
    lock_holders,
    provision,
    query_role,
    reader_login,
    role_retirement,
    use,
)
from scout_control.errors import BusyError, ControlError, NotFoundError, ServerUnavailableError
from scout_control.installation import secret_context
from scout_control.rules.naming import person_role
from scout_control.rules.session_settings import READER
from scout_control.store import audit, datasets, postgres, reader_logins
from scout_control.store.models import ReaderLogin

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation
    from scout_control.rules.reader_urls import ReaderLogin as ReaderUrl
    from scout_control.store.models import Dataset

log = logging.getLogger(__name__)

CONNECTION_LIMIT = 10
"""Sessions of one person in one dataset: others need connections of the server, too."""
SESSIONS = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usename = %s"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who reads a dataset."""

    person: str
    token_id: str | None = None
    """The token with which they ask, if it is one."""


def login(
    installation: Installation, name: str, reader: Reader, *, new_password: bool = False
) -> tuple[Dataset, ReaderUrl]:
    """Return how the tools of a person log in as a reader of a dataset.

    Args:
        installation: The installation.
        name: The dataset.
        reader: The person. The login ends with their access, and with the token.
        new_password: Replace the password, and end the sessions that logged in with the former.

    Raises:
        NotFoundError: They may not read it any longer.
        ConflictError: The dataset holds no data now.
        ServerError: The server does not answer, or lacks a privilege.
    """
    with installation.store.begin() as session:
        dataset = _locked(session, name, reader)
        row, password = _made(installation, session, dataset, reader, new_password=new_password)
        if reader.token_id is not None:
            row.token_ids = sorted({*row.token_ids, uuid.UUID(reader.token_id)})
        with postgres.connect(installation.server_url_of(dataset)) as opened:
            found = reader_login.described(installation, dataset, opened, row.role, password)
        action = "reader password changed" if new_password else "reader shown"
        use.record(session, action, dataset)
        datasets.touch(session, dataset.id, datetime.now(UTC))
    return dataset, found


def connect(installation: Installation, dataset: Dataset, person: str) -> psycopg.Connection[Any]:
    """Open a session of the role with which a person reads a dataset.

    Raises:
        NotFoundError: They may not read it any longer.
        BusyError: They have as many sessions as one may have.
        ServerError: The server does not answer, or rejects the login.
    """
    if (known := _known(installation, dataset, person)) is not None:
        with suppress(psycopg.OperationalError):
            return _connect(installation, dataset, *known)
        _check_sessions(installation.server_url_of(dataset), known[0])
    # It is the first time, or someone else has changed the role: it is set up, and tried again.
    with installation.store.begin() as session:
        locked = _locked(session, str(dataset.id), Reader(person=person))
        row, password = _made(installation, session, locked, Reader(person=person))
        role = row.role
    try:
        return _connect(installation, dataset, role, password)
    except psycopg.OperationalError as error:
        raise ServerUnavailableError.of_postgres(error, error.sqlstate) from None


def _known(installation: Installation, dataset: Dataset, person: str) -> tuple[str, str] | None:
    with installation.store.begin() as session:
        row = reader_logins.find(session, dataset.id, person)
        password = None if row is None else _password(installation, row)
        return None if row is None or password is None else (row.role, password)


def _connect(
    installation: Installation, dataset: Dataset, role: str, password: str
) -> psycopg.Connection[Any]:
    # As for the query role: the alias must not come first.
    settings = (*READER, ("search_path", dataset.schema_name))
    return query_role.open_session(installation.server_url_of(dataset), role, password, settings)


def _locked(session: Session, name: str, reader: Reader) -> Dataset:
    dataset = use.lock(session, name)
    use.require_data(dataset)
    if not reader_logins.may_read(session, dataset, reader.person):
        raise NotFoundError(f"No dataset {name!r} exists.", "See: scout datasets list")
    return dataset


def _made(
    installation: Installation,
    session: Session,
    dataset: Dataset,
    reader: Reader,
    *,
    new_password: bool = False,
) -> tuple[ReaderLogin, str]:
    """Return the login of a person with its password, whose role can log in now."""
    row = reader_logins.find(session, dataset.id, reader.person)
    if row is None:
        row = ReaderLogin(id=uuid.uuid4(), dataset_id=dataset.id, role=person_role(), token_ids=[])
        row.person_id = reader.person
        session.add(row)
    password = None if new_password else _password(installation, row)
    is_new = password is None
    password = password or secrets.token_urlsafe(32)
    with (
        reader_login.server_errors(dataset),
        postgres.connect(installation.server_url_of(dataset)) as opened,
    ):
        reader_login.make(opened, dataset, row.role, password, limit=CONNECTION_LIMIT)
        mark = role_retirement.mark_of_person(opened, dataset.owner)
        role_retirement.set_comment(opened, row.role, mark)
        opened.commit()
        if is_new:
            reader_login.end_sessions(opened, row.role)
    if is_new:
        context = secret_context.of_person_login(row)
        fields = {reader_login.FIELD: password}
        row.password = installation.keyring.encrypt(fields, context)
        row.token_ids = []
    return row, password


def _password(installation: Installation, row: ReaderLogin) -> str | None:
    """Return the password of a login; None if a new one is needed: no one has set it themselves."""
    if row.password is None:
        return None
    with suppress(ControlError):
        context = secret_context.of_person_login(row)
        return str(installation.keyring.decrypt(row.password, context)[reader_login.FIELD])
    return None


def end(installation: Installation, ids: Collection[uuid.UUID] | None = None) -> int:
    """Drop the roles of logins that have ended, and end their sessions; return how many.

    Where a server does not answer, the next round of background jobs tries again.

    Args:
        installation: The installation.
        ids: Only of these logins.
    """
    if ids is not None and not ids:
        return 0
    by_url: dict[str, list[str]] = {}
    with installation.store.begin() as session:
        for row in reader_logins.ended(session, ids):
            with suppress(ControlError):  # the check of secrets reports these
                by_url.setdefault(installation.server_url_of(row.dataset), []).append(row.role)
    dropped = [role for url, roles in by_url.items() for role in _drop(installation, url, roles)]
    if dropped:
        with installation.store.begin() as session:
            reader_logins.remove(session, dropped)
    return len(dropped)


def _drop(installation: Installation, url: str, roles: Collection[str]) -> list[str]:
    """Drop roles; return those that do not exist now."""
    try:
        for role in roles:
            provision.disable_login(url, role)
        with lock_holders.connected(url) as connection:
            holders = lock_holders.find_by_role(connection, [*roles])
            lock_holders.terminate(connection, url, holders)
        role_retirement.drop(url, [*roles], reader_login.grants_of(installation))
        with lock_holders.connected(url) as connection:
            return [role for role in roles if not postgres.has_role(connection, role)]
    except (ControlError, psycopg.Error) as error:
        log.warning("logins_not_ended roles=%s error=%s", [*roles], type(error).__name__)
        return []


def sweep(installation: Installation) -> int:
    """End logins that people may not have any longer; return how many roles were dropped.

    Most end with the access itself; this ends the others: those of a token that has expired, and
    those on servers that did not answer.
    """
    with installation.store.begin() as session:
        for person in reader_logins.owners(session):
            if ids := reader_logins.end_unpermitted(session, person):
                details = {"user": person, "logins": len(ids)}
                audit.record(session, "reader revoked", "person", person, **details)
    return end(installation)


def drop_orphans(installation: Installation) -> int:
    """Drop the roles of people that the store does not know; return how many."""
    found = orphans(installation)
    return sum(len(_drop(installation, url, roles)) for url, roles in found.items())


def orphans(installation: Installation) -> dict[str, list[str]]:
    """Return the roles of people that the store does not know, by their server.

    They remain where the store was restored, or where a process ended while it made one.
    """
    found: dict[str, list[str]] = {}
    for url in installation.usable_server_urls():
        with suppress(ControlError, psycopg.Error), lock_holders.connected(url) as connection:
            owners = role_retirement.all_roles_of_people(connection)
            # Read after the roles: one is stored in the transaction in which it is made, which
            # holds the lock of the dataset.
            with installation.store.begin() as session:
                unknown = set(owners) - set(reader_logins.roles(session))
                ours = datasets.locked_owners(session, {owners[each] for each in unknown})
                unknown -= set(reader_logins.roles(session))
            if roles := sorted(each for each in unknown if owners[each] in ours):
                found[url] = roles
    return found


def _check_sessions(server_url: str, role: str) -> None:
    """Check that one more session is allowed.

    Raises:
        BusyError: It is not.
        ServerError: The server does not answer.
    """
    with postgres.connect(server_url) as connection:
        [(count,)] = connection.execute(SESSIONS, [role]).fetchall()
    if count >= CONNECTION_LIMIT:
        raise BusyError(
            f"You have {count} sessions in this dataset, and no one may have more.",
            "Wait for your queries to end, or close those of your tools.",
        )
