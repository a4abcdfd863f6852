"""The login role of tools at the host (BI, notebooks, psql): a reader of one dataset, nothing else.

There is one per dataset, from the first request for it until it is revoked or the data is dropped.
Its password is kept encrypted, so that a tool that was set up once continues to work. It is a
member of the dataset's reader role only, so that what it evaluates can reach this dataset alone.
People who sign in have separate logins: see ``person_login``.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from scout_control.datasets import alias_schema, provision, role_retirement, use
from scout_control.installation import secret_context
from scout_control.rules.naming import login_role, reader_role
from scout_control.rules.reader_urls import ReaderLogin, options_for_readers
from scout_control.rules.session_settings import READER
from scout_control.store import datasets, postgres
from scout_control.store.locks import GRANTS_LOCK, exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from psycopg import Connection

    from scout_control.installation.installation import Installation
    from scout_control.store.models import Dataset

FIELD = "password"
CONNECTION_LIMIT = 20
# A session may change these for itself; the role can write nothing anyway.
SETTINGS: Mapping[str, str | int] = {
    **{name: value for name, value in READER if not name.startswith("tcp_")},
    "statement_timeout": "10min",
}
CAN_LOG_IN = "SELECT FROM pg_roles WHERE rolname = %s AND rolcanlogin"


@dataclass(frozen=True, kw_only=True)
class _Stored:
    password: str
    is_new: bool


@contextmanager
def server_errors(dataset: Dataset) -> Iterator[None]:
    """Report what Postgres refuses while a login is made.

    Raises:
        SettingsError: The dataset was never loaded.
        ServerError: The server does not answer, or lacks a privilege.
    """
    try:
        yield
    except psycopg.errors.UndefinedObject:
        raise use.no_role_error(dataset) from None
    except psycopg.Error as error:
        raise postgres.statement_error(
            "Postgres could not make the reader's login", error, "See: scout doctor"
        ) from None


def login(
    installation: Installation, name: str, *, new_password: bool = False, action: str
) -> tuple[Dataset, ReaderLogin]:
    """Return how tools log in as the reader of a dataset, made on the first request.

    Args:
        installation: The installation.
        name: The dataset.
        new_password: Replace the password, and end the sessions that logged in with the former.
        action: What the audit trail calls this.

    Raises:
        ConflictError: The dataset holds no data now.
        SettingsError: No configured key decrypts the password, or the dataset was never loaded.
        ServerError: The server does not answer, or lacks a privilege.
    """
    with installation.store.begin() as session:
        dataset = use.lock(session, name)
        use.require_data(dataset)
        stored = _password(installation, dataset, new_password=new_password)
        role = login_role(dataset.schema_name)
        with (
            server_errors(dataset),
            postgres.connect(installation.server_url_of(dataset)) as opened,
        ):
            # Also where someone else dropped or locked the role: the password stays the same.
            if stored.is_new or not opened.execute(CAN_LOG_IN, [role]).fetchone():
                make(opened, dataset, role, stored.password, limit=CONNECTION_LIMIT)
                end_sessions(opened, role)
            made = described(installation, dataset, opened, role, stored.password)
        if stored.is_new:
            dataset.reader_login = installation.keyring.encrypt(
                {FIELD: stored.password}, secret_context.of_reader_login(dataset)
            )
        action = "reader password changed" if new_password else action
        use.record(session, action, dataset)
        datasets.touch(session, dataset.id, datetime.now(UTC))
    return dataset, made


def revoke(installation: Installation, name: str) -> bool:
    """Remove the login of a dataset's tools and end their sessions; return whether there was one.

    Raises:
        ServerError: The server does not answer, or lacks a privilege.
    """
    with installation.store.begin() as session:
        dataset = use.lock(session, name)
        role, server_url = login_role(dataset.schema_name), installation.server_url_of(dataset)
        was_there = dataset.reader_login is not None
        dataset.reader_login = None
        # Its login first: were the role not dropped, it would still be of no use.
        provision.disable_login(server_url, role)
        use.record(session, "reader revoked", dataset)
    dropped = role_retirement.drop(server_url, [role], grants_of(installation))
    return was_there or bool(dropped)


def grants_of(installation: Installation) -> Callable[[], AbstractContextManager[None]]:
    """Return what serializes changes of the store's privileges."""
    return lambda: exclusive(installation.store, GRANTS_LOCK)


def _password(installation: Installation, dataset: Dataset, *, new_password: bool) -> _Stored:
    if dataset.reader_login is None or new_password:
        return _Stored(password=secrets.token_urlsafe(32), is_new=True)
    context = secret_context.of_reader_login(dataset)
    fields = installation.keyring.decrypt(dataset.reader_login, context)
    return _Stored(password=str(fields[FIELD]), is_new=False)


def described(
    installation: Installation,
    dataset: Dataset,
    connection: Connection[Any],
    role: str,
    password: str,
) -> ReaderLogin:
    """Return how a tool logs in with a role.

    Args:
        installation: The installation.
        dataset: The dataset.
        connection: A session of control on the server of the dataset.
        role: The role.
        password: Its password.
    """
    info, is_local = connection.info, installation.is_in_store(dataset)
    host, port = (is_local and installation.reader_address) or (info.host, info.port)
    return ReaderLogin(
        host=host,
        port=port,
        database=info.dbname,
        user=role,
        password=password,
        options=options_for_readers(conninfo_to_dict(installation.server_url_of(dataset))),
    )


def make(
    connection: Connection[Any], dataset: Dataset, role: str, password: str, *, limit: int
) -> None:
    """Create a login role of a dataset, or set it up again; commits."""
    names = {
        "role": sql.Identifier(role),
        "reader": sql.Identifier(reader_role(dataset.schema_name)),
        "limit": sql.Literal(limit),
    }
    if not postgres.has_role(connection, role):
        connection.execute(sql.SQL("CREATE ROLE {role} NOLOGIN").format(**names))
        for setting, value in SETTINGS.items():
            statement = sql.SQL("ALTER ROLE {role} SET {setting} TO {value}")
            connection.execute(
                statement.format(setting=sql.Identifier(setting), value=sql.Literal(value), **names)
            )
    connection.execute(sql.SQL("ALTER ROLE {role} CONNECTION LIMIT {limit}").format(**names))
    connection.execute(sql.SQL("GRANT {reader} TO {role}").format(**names))
    postgres.join_role(connection, role)
    schemas = [*([dataset.alias] if dataset.alias else []), dataset.schema_name]
    alias_schema.set_path_of_role(connection, role, dict.fromkeys(schemas))
    postgres.set_login(connection, role, password)
    connection.commit()


def end_sessions(connection: Connection[Any], role: str) -> None:
    """End sessions of a former password; after the new one was committed."""
    connection.execute(provision.TERMINATE_SESSIONS, [role])
