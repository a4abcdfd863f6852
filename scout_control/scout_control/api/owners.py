"""Connections and projects: where data lives, and for which group."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
from sqlalchemy import func, select

from scout_control.api import views
from scout_control.errors import ConflictError, SettingsError
from scout_control.installation import secret_context
from scout_control.rules import database_urls
from scout_control.store import audit, lookups
from scout_control.store.models import Connection, Project, ProjectSource
from scout_control.store.postgres import connection_error

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Site

TEST_SECONDS = 10


@dataclass(frozen=True)
class Connections:
    """Databases that dataset schemas live in."""

    _site: Site

    def list(self) -> list[views.Connection]:
        """Return all active connections."""
        with self._site.store.begin() as session:
            found = session.scalars(
                select(Connection).where(Connection.is_active).order_by(Connection.name)
            )
            return [views.Connection.of(each, _projects_of(session, each)) for each in found]

    def show(self, name: str) -> views.Connection:
        """Return one connection."""
        with self._site.store.begin() as session:
            found = lookups.connection(session, name)
            return views.Connection.of(found, _projects_of(session, found))

    def add(
        self, name: str, url: str, *, description: str = "", test: bool = True
    ) -> views.Connection:
        """Remember a database by the URL that control uses there; it is tried first.

        Raises:
            SettingsError: It is not a URL of Postgres with a user and a database.
            ServerError: It does not answer, or refuses the login.
        """
        facts = _parse(url)
        login = facts.pop("login")
        if test:
            _try(url)
        with self._site.store.begin() as session:
            found = Connection(
                id=uuid.uuid4(),
                name=name,
                description=description,
                created_by=audit.actor(),
                **facts,
            )
            found.login = self._site.keyring.encrypt(login, secret_context.of_connection(found))
            session.add(found)
            told = audit.changes(found)
            session.flush()
            audit.record(session, "added", "connection", found.id, name=name, changes=told)
        return self.show(name)

    def update(
        self,
        name: str,
        *,
        url: str | None = None,
        description: str | None = None,
        test: bool = True,
    ) -> views.Connection:
        """Change a connection; what is not named stays, the password too."""
        with self._site.store.begin() as session:
            found = lookups.connection(session, name)
            if url is not None:
                if found.host is None:
                    raise ConflictError(
                        f"The connection {name} is the store's own database.",
                        "Set SCOUT_DATABASE_URL instead.",
                    )
                facts = _parse(url)
                if test:
                    _try(url)
                login = facts.pop("login")
                for column, value in facts.items():
                    setattr(found, column, value)
                found.login = self._site.keyring.encrypt(login, secret_context.of_connection(found))
            if description is not None:
                found.description = description
            told = audit.changes(found)
            audit.record(session, "updated", "connection", found.id, name=name, changes=told)
        return self.show(name)

    def test(self, name: str) -> None:
        """Try a connection.

        Raises:
            ServerError: It does not answer, or refuses the login.
        """
        with self._site.store.begin() as session:
            url = self._site.server_url(lookups.connection(session, name))
        _try(url)

    def remove(self, name: str) -> None:
        """Forget a connection.

        Raises:
            ConflictError: A project uses it.
        """
        with self._site.store.begin() as session:
            found = lookups.connection(session, name)
            if found.host is None:
                raise ConflictError(
                    f"The connection {name} is the store's own database.", "It stays."
                )
            if count := _projects_of(session, found):
                raise ConflictError(
                    f"The connection {name} is used by {count} project(s).",
                    "Move or remove them first.",
                )
            session.delete(found)
            audit.record(session, "removed", "connection", found.id, name=name)


@dataclass(frozen=True)
class Projects:
    """Groups that share data."""

    _site: Site

    def list(self) -> list[views.Project]:
        """Return all active projects."""
        with self._site.store.begin() as session:
            found = session.scalars(select(Project).where(Project.is_active).order_by(Project.id))
            return [views.Project.of(each) for each in found]

    def show(self, name: str) -> views.Project:
        """Return one project."""
        with self._site.store.begin() as session:
            return views.Project.of(lookups.project(session, name))

    def create(
        self,
        id: str,  # noqa: A002 - what the caller calls it
        *,
        name: str | None = None,
        connection: str = "default",
        db_schema: str = "public",
    ) -> views.Project:
        """Create a project under the caller's own id.

        Raises:
            SettingsError: The id is empty or holds a slash.
        """
        if not id or "/" in id:
            raise SettingsError("A project's id is not empty and has no slash.", "Choose another.")
        with self._site.store.begin() as session:
            found = lookups.connection(session, connection)
            made = Project(id=id, name=name or id, connection_id=found.id, db_schema=db_schema)
            session.add(made)
            told = audit.changes(made)
            audit.record(session, "created", "project", id, project=id, changes=told)
        return self.show(id)

    def remove(self, name: str) -> None:
        """Forget a project.

        Raises:
            ConflictError: Sources are linked to it.
        """
        with self._site.store.begin() as session:
            found = lookups.project(session, name)
            links = session.scalar(select(func.count()).where(ProjectSource.project_id == found.id))
            if links:
                raise ConflictError(
                    f"The project {name} has {links} linked source(s).",
                    "Unlink them first: scout sources unlink",
                )
            session.delete(found)
            audit.record(session, "removed", "project", name, project=name)


def _projects_of(session: Session, found: Connection) -> int:
    return session.scalar(select(func.count()).where(Project.connection_id == found.id)) or 0


def _parse(url: str) -> dict[str, Any]:
    try:
        url.encode()
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:  # a port that is none, half an IPv6 address, text that is not UTF-8
        parts, port = urlsplit(""), 0
    query = parse_qs(parts.query)
    host = parts.hostname or query.get("host", [""])[0]
    is_unsure = database_urls.is_ambiguous(url)
    if is_unsure or not parts.scheme.startswith("postgres") or not host or not parts.username:
        raise SettingsError(
            "This is not a URL of Postgres with a host and a user.",
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


def _try(url: str) -> None:
    try:
        psycopg.connect(url, connect_timeout=TEST_SECONDS).close()
    except (psycopg.Error, ValueError) as error:
        raise connection_error(
            error, url, "Check that it runs, and the user, password, database and sslmode."
        ) from None
