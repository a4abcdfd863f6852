"""Projects: groups of people that share data."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from scout_control.api import link_remains, views
from scout_control.api.changes import check_name, check_unset
from scout_control.credentials import renewal
from scout_control.errors import ConflictError, SettingsError
from scout_control.rules import schema_names
from scout_control.rules.wording import counted
from scout_control.store import audit, creation, lookups
from scout_control.store.models import Credential, Dataset, Project, ProjectSource

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation

DEFAULTS = {"connection": "default", "db_schema": "public"}
ALIASES = {"schema": "db_schema"}


@dataclass(frozen=True, kw_only=True)
class Belongings(views.View):
    """The sources that a project has something of."""

    links: list[str]
    credentials: list[str]


@dataclass(frozen=True)
class Projects:
    """Groups of people that share data."""

    _installation: Installation

    def list(self) -> list[views.Project]:
        """Return all active projects."""
        with self._installation.store.begin() as session:
            rows = session.scalars(select(Project).where(Project.is_active).order_by(Project.id))
            return [views.Project.of(row) for row in rows]

    def show(self, project_id: str) -> views.Project:
        """Return one project."""
        with self._installation.store.begin() as session:
            return views.Project.of(lookups.project(session, project_id))

    def create(
        self,
        project_id: str,
        *,
        name: str | None = None,
        connection: str = "default",
        db_schema: str = "public",
    ) -> views.Project:
        """Create a project under the identifier that your own system uses for it.

        Raises:
            SettingsError: The id is empty, or cannot be typed in a path such as project/source, or
                the schema is one of Postgres, of Scout or of a dataset.
        """
        check_name(project_id, "The id of a project", is_id=True)
        with self._installation.store.begin() as session:
            _check_schema(session, db_schema)
            database = lookups.connection(session, connection)
            project = Project(
                id=project_id,
                name=name or project_id,
                connection_id=database.id,
                db_schema=db_schema,
            )
            changes = audit.changes(project)
            creation.insert(session, project, "project", project_id)
            audit.record(
                session, "created", "project", project_id, project=project_id, changes=changes
            )
        return self.show(project_id)

    add = create

    def update(
        self,
        project_id: str,
        *,
        name: str | None = None,
        connection: str | None = None,
        db_schema: str | None = None,
        unset: Collection[str] = (),
    ) -> views.Project:
        """Change a project; what is left out keeps its value.

        Args:
            project_id: The project.
            name: A name for people.
            connection: The database of its dataset schemas.
            db_schema: The schema of the project's own tables.
            unset: Names to reset to their defaults: ``name``, ``connection``, ``schema``.

        Raises:
            ConflictError: The connection would change, but the present one holds data.
            SettingsError: A name to unset is unknown, or the schema is one of Postgres, of Scout or
                of a dataset.
        """
        given = {"name": name, "connection": connection, "db_schema": db_schema}
        columns = {key: value for key, value in given.items() if value is not None}
        defaults = {**DEFAULTS, "name": project_id}
        reset = check_unset(unset, defaults, columns, f"The project {project_id}", ALIASES)
        columns |= {key: defaults[key] for key in reset}
        with self._installation.store.begin() as session:
            project = lookups.project(session, project_id, lock=True)
            # Before the first change, which a query would flush: what is flushed is not audited.
            if db_schema is not None and db_schema != project.db_schema:
                _check_schema(session, db_schema)
            if "connection" in columns:
                database = lookups.connection(session, columns.pop("connection"))
                if database.id != project.connection_id:
                    _check_holds_no_data(session, project)
                    project.connection = database
                    project.connection_id = database.id
            for column, value in columns.items():
                setattr(project, column, value)
            names = {"project": project_id}
            changes = audit.changes(project)
            audit.record(session, "updated", "project", project_id, **names, changes=changes)
        return self.show(project_id)

    def belongings(self, project_id: str) -> Belongings:
        """Return what a project still has: links, and its own credentials."""
        with self._installation.store.begin() as session:
            project = lookups.project(session, project_id)
            credentials = _credentials(session, project)
            return Belongings(
                links=[each.source.name for each in _remains(session, project).in_use],
                credentials=[each.source.name for each in credentials],
            )

    def remove(self, project_id: str, *, with_credentials: bool = False) -> Sequence[str]:
        """Remove a project; return the credentials whose source did not confirm the revocation.

        Args:
            project_id: The project.
            with_credentials: Also remove its credentials, and revoke tokens at their sources.

        Raises:
            ConflictError: Sources are linked to it, or it has credentials; they are named.
        """
        with self._installation.store.begin() as session:
            project = lookups.project(session, project_id, lock=True)
            remains = _remains(session, project)
            if remains.in_use:
                raise _linked(project_id, remains)
            credentials = _credentials(session, project)
            if credentials and not with_credentials:
                names = [each.source.name for each in credentials]
                raise _has_credentials(project_id, names)
            grants = []
            if credentials:
                keyring, plugins = self._installation.keyring, self._installation.plugins
                grants = renewal.delete_credentials(session, keyring, plugins, credentials)
            remains.delete_empty(session)
            session.delete(project)
            audit.record(session, "removed", "project", project_id, project=project_id)
        return renewal.revoke_grants(grants)


def _check_schema(session: Session, name: str) -> None:
    """Check the name of the schema of a project's own tables.

    Raises:
        SettingsError: It is invalid, reserved, or a schema of a dataset.
    """
    why = schema_names.find_error(name)
    if why is None:
        is_of_dataset = or_(Dataset.schema_name == name, Dataset.alias == name)
        if session.scalar(select(Dataset.id).where(is_of_dataset)) is not None:
            why = schema_names.OF_DATASET
    if why is not None:
        raise SettingsError(f"The schema {name!r} {why}.", "Choose another one.")


def _remains(session: Session, project: Project) -> link_remains.Remains:
    return link_remains.of(session, ProjectSource.project_id == project.id)


def _linked(project_id: str, remains: link_remains.Remains) -> ConflictError:
    return ConflictError(
        f"The project {project_id} cannot be removed yet. {remains.said()}",
        f"Remove these with their data first: {remains.commands()}. {_purge(project_id)}",
    )


def _credentials(session: Session, project: Project) -> Sequence[Credential]:
    rows = session.scalars(select(Credential).where(Credential.project_id == project.id)).all()
    return sorted(rows, key=lambda each: each.source.name)


def _has_credentials(project_id: str, names: Sequence[str]) -> ConflictError:
    """Return the error for a project that still has credentials, with a command for each."""
    commands = link_remains.join_commands(
        f"scout credentials revoke {quote(name)} --project {quote(project_id)}" for name in names
    )
    return ConflictError(
        f"The project {project_id} has {counted(len(names), 'credential')}: {', '.join(names)}.",
        f"Remove these first: {commands}. {_purge(project_id)}",
    )


def _purge(project_id: str) -> str:
    return f"Or everything at once, with all data: scout purge --project {quote(project_id)}"


def _check_holds_no_data(session: Session, project: Project) -> None:
    """Check that no dataset of a project has data, nor a run that could load some."""
    statement = (
        select(Dataset)
        .join(Dataset.project_source)
        .where(ProjectSource.project_id == project.id)
        .with_for_update(of=Dataset)
        .execution_options(populate_existing=True)
    )
    for dataset in session.scalars(statement):
        if link_remains.holds_data(dataset):
            path = lookups.path(dataset)
            raise ConflictError(
                f"{path} has data in {project.connection.name}, the present database of "
                f"{project.id}.",
                f"Drop it first: scout datasets drop {quote(path)}",
            )
