"""Projects: groups of people that share data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from scout_control.api import views
from scout_control.errors import ConflictError, SettingsError
from scout_control.store import audit, lookups
from scout_control.store.models import Dataset, Project, ProjectSource

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation


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
            SettingsError: The id is empty or contains a slash.
        """
        if not project_id or "/" in project_id:
            raise SettingsError(
                "The id of a project must not be empty or contain a slash.", "Choose another id."
            )
        with self._installation.store.begin() as session:
            database = lookups.connection(session, connection)
            project = Project(
                id=project_id,
                name=name or project_id,
                connection_id=database.id,
                db_schema=db_schema,
            )
            session.add(project)
            changes = audit.changes(project)
            audit.record(
                session, "created", "project", project_id, project=project_id, changes=changes
            )
        return self.show(project_id)

    def update(
        self,
        project_id: str,
        *,
        name: str | None = None,
        connection: str | None = None,
        db_schema: str | None = None,
    ) -> views.Project:
        """Change a project; arguments that are left out keep their values.

        Raises:
            ConflictError: Its data is in another database.
        """
        with self._installation.store.begin() as session:
            project = lookups.project(session, project_id)
            if connection is not None and connection != project.connection.name:
                _check_no_data(session, project)
                project.connection_id = lookups.connection(session, connection).id
            project.name = name or project.name
            project.db_schema = db_schema or project.db_schema
            changes = audit.changes(project)
            audit.record(
                session, "updated", "project", project_id, project=project_id, changes=changes
            )
        return self.show(project_id)

    def remove(self, project_id: str) -> None:
        """Remove a project.

        Raises:
            ConflictError: Sources are linked to it.
        """
        with self._installation.store.begin() as session:
            project = lookups.project(session, project_id)
            links = session.scalar(
                select(func.count()).where(ProjectSource.project_id == project.id)
            )
            if links:
                raise ConflictError(
                    f"The project {project_id} has {links} linked source(s).",
                    "Unlink them first: scout sources unlink --drop",
                )
            session.delete(project)
            audit.record(session, "removed", "project", project_id, project=project_id)


def _check_no_data(session: Session, project: Project) -> None:
    loaded = session.scalar(
        select(func.count())
        .select_from(Dataset)
        .join(Dataset.project_source)
        .where(ProjectSource.project_id == project.id, Dataset.last_sync_at.is_not(None))
    )
    if loaded:
        raise ConflictError(
            f"The project {project.id} has data in {project.connection.name}.",
            "Drop it first: scout datasets drop",
        )
