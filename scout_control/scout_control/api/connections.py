"""Connections: the databases that dataset schemas are created in."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
from sqlalchemy import func, select

from scout_control.api import views
from scout_control.api.changes import check_name, check_unset
from scout_control.errors import ConflictError, SettingsError
from scout_control.installation import secret_context
from scout_control.rules import database_urls
from scout_control.store import audit, lookups
from scout_control.store.models import Connection, Project
from scout_control.store.postgres import connection_error

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation

TEST_TIMEOUT_SECONDS = 10
DEFAULT_PORT = 5432
RESETTABLE = ("description", "sslmode", "port", "database")


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
            return [views.Connection.of(row, _count_projects(session, row)) for row in rows]

    def show(self, name: str) -> views.Connection:
        """Return one connection."""
        with self._installation.store.begin() as session:
            connection = lookups.connection(session, name)
            return views.Connection.of(connection, _count_projects(session, connection))

    def add(
        self, name: str, url: str, *, description: str = "", test: bool = True
    ) -> views.Connection:
        """Add a database by its URL, after a test login.

        Raises:
            SettingsError: The URL is not a Postgres URL with a user and a host.
            ServerError: The server does not respond, or rejects the user.
        """
        check_name(name, "The name of a connection")
        fields = parse_url(url)
        login = fields.pop("login")
        if test:
            _test(url)
        with self._installation.store.begin() as session:
            connection = Connection(
                id=uuid.uuid4(),
                name=name,
                description=description,
                created_by=audit.actor(),
                **fields,
            )
            self._store_login(connection, login)
            session.add(connection)
            changes = audit.changes(connection)
            session.flush()
            audit.record(session, "added", "connection", connection.id, name=name, changes=changes)
        return self.show(name)

    def update(
        self,
        name: str,
        *,
        url: str | None = None,
        description: str | None = None,
        test: bool = True,
        unset: Collection[str] = (),
    ) -> views.Connection:
        """Change a connection; what is left out keeps its value.

        Args:
            name: The connection.
            url: A new URL. A URL without ``sslmode`` keeps the present one.
            description: A note for people.
            test: Log in before the change is stored.
            unset: Names to reset to their defaults: ``description``, ``sslmode``, ``port``,
                ``database``.

        Raises:
            SettingsError: The URL is invalid, or a name to unset is unknown.
            ServerError: The server does not respond, or rejects the user.
        """
        given = {"description": description} if description is not None else {}
        if url is not None:
            given |= dict.fromkeys(("port", "database"), url) | _sslmode_of(url)
        reset = check_unset(unset, RESETTABLE, given, f"The connection {name}")
        with self._installation.store.begin() as session:
            connection = lookups.connection(session, name, lock=True)
            if url is not None or reset - {"description"}:
                self._move(connection, url, reset)
                if test:
                    _test(self._installation.server_url(connection))
            if description is not None or "description" in reset:
                connection.description = description or ""
            changes = audit.changes(connection)
            audit.record(
                session, "updated", "connection", connection.id, name=name, changes=changes
            )
        return self.show(name)

    def _move(self, connection: Connection, url: str | None, reset: frozenset[str]) -> None:
        """Change where the database is, and how it is reached."""
        if connection.host is None or connection.login is None:
            raise ConflictError(
                f"The connection {connection.name} is the database of the store itself.",
                "Change SCOUT_DATABASE_URL instead.",
            )
        if url is not None:
            columns = parse_url(url)
            login = columns.pop("login")
            columns["sslmode"] = columns["sslmode"] or connection.sslmode
        else:
            context = secret_context.of_connection(connection)
            login = self._installation.keyring.decrypt(connection.login, context)
            columns = {}
        # As libpq has it: the database is named like the user by default.
        defaults = {"sslmode": None, "port": DEFAULT_PORT, "database": login["user"]}
        columns |= {name: value for name, value in defaults.items() if name in reset}
        for column, value in columns.items():
            setattr(connection, column, value)
        self._store_login(connection, login)

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
                    f"The connection {name} is used by {len(projects)} project(s).",
                    f"Remove these first, such as: scout projects remove {quote(projects[0])}",
                )
            session.delete(connection)
            audit.record(session, "removed", "connection", connection.id, name=name)

    def _store_login(self, connection: Connection, login: dict[str, str]) -> None:
        # Last: the ciphertext is bound to the host, port and database of the row.
        context = secret_context.of_connection(connection)
        connection.login = self._installation.keyring.encrypt(login, context)


def _count_projects(session: Session, connection: Connection) -> int:
    statement = select(func.count()).where(Project.connection_id == connection.id)
    return session.scalar(statement) or 0


def parse_url(url: str) -> dict[str, Any]:
    """Return the columns of a connection, and its user and password as ``login``."""
    try:
        url.encode()
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError:  # an invalid port, half an IPv6 address, or lone surrogates
        parts, port = urlsplit(""), 0
    query = parse_qs(parts.query)
    host = parts.hostname or query.get("host", [""])[0]
    # libpq and urllib may disagree about where the password of such a URL ends.
    is_ambiguous = database_urls.is_ambiguous(url)
    if is_ambiguous or not parts.scheme.startswith("postgres") or not host or not parts.username:
        raise SettingsError(
            "This is not a Postgres URL with a host and a user.",
            "Write postgresql://user:password@host:port/database; in a password, write @ : / ? # %"
            " as %40 %3A %2F %3F %23 %25.",
        )
    return {
        "host": host,
        "port": port,
        "database": unquote(parts.path.lstrip("/")) or unquote(parts.username),
        "sslmode": query.get("sslmode", [None])[0],
        "login": {"user": unquote(parts.username), "password": unquote(parts.password or "")},
    }


def _sslmode_of(url: str) -> dict[str, Any]:
    return {} if (mode := parse_url(url)["sslmode"]) is None else {"sslmode": mode}


def _test(url: str) -> None:
    try:
        psycopg.connect(url, connect_timeout=TEST_TIMEOUT_SECONDS).close()
    except (psycopg.Error, ValueError) as error:
        raise connection_error(
            error, url, "Check that it is running, and the user, password, database and sslmode."
        ) from None
