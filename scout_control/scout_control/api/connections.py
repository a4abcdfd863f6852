"""Connections: the databases that dataset schemas are created in."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import func, select

from scout_control.api import views
from scout_control.api.changes import check_name, check_unset
from scout_control.errors import ConflictError, ControlError, GivenServerError, SettingsError
from scout_control.installation import secret_context
from scout_control.installation.installation import PARAMETERS
from scout_control.rules.wording import counted
from scout_control.store import audit, connection_urls, creation, lookups, postgres
from scout_control.store.connection_urls import DEFAULT_PORT
from scout_control.store.models import Connection, Project

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation
    from scout_control.store.connection_urls import ConnectionUrl

COLUMNS = ("host", "port", "database", "sslmode")
RESETTABLE = ("description", "sslmode", "port", "database", *connection_urls.PARAMETERS)


@dataclass(frozen=True)
class Connections:
    """Databases that hold dataset schemas."""

    _installation: Installation

    def list(self) -> list[views.Connection]:
        """Return all active connections."""
        with self._installation.store.begin() as session:
            rows = session.scalars(
                select(Connection).where(Connection.is_active).order_by(Connection.name)
            )
            return [self._view(session, row) for row in rows]

    def show(self, name: str) -> views.Connection:
        """Return one connection."""
        with self._installation.store.begin() as session:
            connection = lookups.connection(session, name)
            return self._view(session, connection)

    def _view(self, session: Session, row: Connection) -> views.Connection:
        parameters = {}
        with suppress(ControlError):  # the check of secrets reports what no key decrypts
            parameters = self._installation.login_of(row).get(PARAMETERS, {})
        return views.Connection.of(row, _count_projects(session, row), parameters)

    def add(
        self,
        name: str,
        url: str | None = None,
        *,
        parts: Mapping[str, Any] | None = None,
        description: str = "",
        test: bool = True,
    ) -> views.Connection:
        """Add a database by its URL, after a test login.

        Args:
            name: A name for it.
            url: The URL, with the user and the password.
            parts: Instead of the URL: ``host``, ``port``, ``database``, ``user``, ``password``,
                ``sslmode``, and other ``parameters``.
            description: A note for people.
            test: Log in before it is stored.

        Raises:
            SettingsError: The URL is not a Postgres URL with a user and a host, or has a parameter
                that a connection cannot keep.
            ServerError: The server does not respond, or rejects the user.
        """
        check_name(name, "The name of a connection")
        parsed = connection_urls.parse(url) if url is not None else None
        if (parsed is None) == (parts is None):
            raise SettingsError("A connection is added by its URL or by its parts.", "Give one.")
        if parsed is None:
            parsed = connection_urls.of_parts(parts or {})
        if test:
            _test(parsed.compose())
        with self._installation.store.begin() as session:
            connection = Connection(
                id=uuid.uuid4(),
                name=name,
                description=description,
                created_by=audit.actor(),
                **{name: getattr(parsed, name) for name in COLUMNS},
            )
            self._store_login(connection, _login(parsed))
            changes = audit.changes(connection)
            creation.insert(session, connection, "connection", name)
            audit.record(session, "added", "connection", connection.id, name=name, changes=changes)
        return self.show(name)

    def update(
        self,
        name: str,
        *,
        url: str | None = None,
        parts: Mapping[str, Any] | None = None,
        description: str | None = None,
        test: bool = True,
        unset: Collection[str] = (),
    ) -> views.Connection:
        """Change a connection; what is left out keeps its value.

        Args:
            name: The connection.
            url: A new URL. What it does not say of ``sslmode`` and other parameters stays.
            parts: Instead of a URL: parts to change, as in ``add``. A change of host, port or user
                needs the password, too: the present one is not sent elsewhere.
            description: A note for people.
            test: Log in before the change is stored.
            unset: Names to reset to their defaults: ``description``, ``sslmode``, ``port``,
                ``database``, and parameters such as ``sslrootcert``.

        Raises:
            SettingsError: The URL is invalid, or a name to unset is unknown.
            ServerError: The server does not respond, or rejects the user.
        """
        given = {"description": description} if description is not None else {}
        parsed = None if url is None else connection_urls.parse(url)
        if parsed is not None:
            stated = {"port", "database", *parsed.parameters}
            stated |= {connection_urls.SSLMODE} if parsed.sslmode else set()
            given |= dict.fromkeys(stated, name)
        given |= dict.fromkeys(parts or {}, name)
        reset = check_unset(unset, RESETTABLE, given, f"The connection {name}")
        if parsed is not None and parts:
            raise SettingsError("A connection has a URL or parts of it.", "Give one of them.")
        with self._installation.store.begin() as session:
            connection = lookups.connection(session, name, lock=True)
            if "port" in reset and parsed is None and "password" not in (parts or {}):
                raise _password_error(["port"])
            if parts:
                parsed = self._with_parts(connection, parts)
            if parsed is not None or reset - {"description"}:
                self._move(connection, parsed, reset)
                if test:
                    _test(self._installation.server_url(connection))
            if description is not None or "description" in reset:
                connection.description = description or ""
            changes = audit.changes(connection)
            audit.record(
                session, "updated", "connection", connection.id, name=name, changes=changes
            )
        return self.show(name)

    def _with_parts(self, connection: Connection, parts: Mapping[str, Any]) -> ConnectionUrl | None:
        """Return where a connection leads with some parts changed; None for the store's own."""
        if connection.host is None:
            return connection_urls.of_parts({"host": "-", "user": "-"})  # refused by ``_move``
        login = self._installation.login_of(connection)
        current = {name: getattr(connection, name) for name in COLUMNS} | login
        moved = [n for n in ("host", "port", "user") if n in parts and parts[n] != current[n]]
        if moved and not parts.get("password"):
            raise _password_error(moved)
        return connection_urls.of_parts({**current, **parts})

    def _move(
        self, connection: Connection, url: ConnectionUrl | None, reset: frozenset[str]
    ) -> None:
        """Change where the database is, and how it is reached."""
        if connection.host is None or connection.login is None:
            raise ConflictError(
                f"The connection {connection.name} is the database of the store itself.",
                "Change SCOUT_DATABASE_URL instead.",
            )
        kept = self._kept_parameters(connection, is_login_replaced=url is not None)
        if url is not None:
            columns = {name: getattr(url, name) for name in COLUMNS}
            columns["sslmode"] = columns["sslmode"] or connection.sslmode
            login = _login(url)
            login[PARAMETERS] = {**kept, **url.parameters}
        else:
            login, columns = self._installation.login_of(connection), {}
            login[PARAMETERS] = kept
        login[PARAMETERS] = {n: v for n, v in login[PARAMETERS].items() if n not in reset}
        # As libpq has it: the database is named like the user by default.
        defaults = {"sslmode": None, "port": DEFAULT_PORT, "database": login["user"]}
        columns |= {name: value for name, value in defaults.items() if name in reset}
        for column, value in columns.items():
            setattr(connection, column, value)
        self._store_login(connection, login)

    def _kept_parameters(
        self, connection: Connection, *, is_login_replaced: bool
    ) -> Mapping[str, str]:
        """Return the parameters of a connection; none of one that is lost and now replaced."""
        try:
            return dict(self._installation.login_of(connection).get(PARAMETERS, {}))
        except ControlError:
            if is_login_replaced:
                return {}
            raise

    def test(self, name: str) -> None:
        """Test a connection by logging in.

        Raises:
            ServerError: The server does not respond, or rejects the user.
        """
        with self._installation.store.begin() as session:
            url = self._installation.server_url(lookups.connection(session, name))
        _test(url)

    def remove(self, name: str) -> None:
        """Remove a connection.

        Raises:
            ConflictError: A project uses it.
        """
        with self._installation.store.begin() as session:
            connection = lookups.connection(session, name)
            if connection.host is None:
                raise ConflictError(
                    f"The connection {name} is the database of the store itself.",
                    "It cannot be removed.",
                )
            theirs = Project.connection_id == connection.id
            if projects := session.scalars(select(Project.id).where(theirs)).all():
                raise ConflictError(
                    f"The connection {name} is used by {counted(len(projects), 'project')}.",
                    # Without their names: who manages connections may see no projects.
                    "Give them another one, or remove them; see: scout projects list",
                )
            session.delete(connection)
            audit.record(session, "removed", "connection", connection.id, name=name)

    def _store_login(self, connection: Connection, login: dict[str, Any]) -> None:
        # Last: the ciphertext is bound to the host, port and database of the row.
        context = secret_context.of_connection(connection)
        connection.login = self._installation.keyring.encrypt(login, context)


def _count_projects(session: Session, connection: Connection) -> int:
    statement = select(func.count()).where(Project.connection_id == connection.id)
    return session.scalar(statement) or 0


def _login(url: ConnectionUrl) -> dict[str, Any]:
    """Return what is stored encrypted of a URL."""
    return {"user": url.user, "password": url.password, PARAMETERS: dict(url.parameters)}


def _test(url: str) -> None:
    try:
        psycopg.connect(url, **postgres.defaults(url)).close()
    except (psycopg.Error, ValueError) as error:
        found = postgres.connection_error(
            error, url, "Check that it is running, and the user, password, database and sslmode."
        )
        raise GivenServerError(found.cause, found.remedy) from None


def _password_error(moved: Sequence[str]) -> SettingsError:
    """Return the error for a change that would send the stored password somewhere else."""
    return SettingsError(
        f"The password belongs to the present {', '.join(moved)} of the connection.",
        "Give the password, too.",
    )
