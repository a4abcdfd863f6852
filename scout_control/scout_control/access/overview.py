"""How the data of a person fares: what they may see of the status of the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from scout_control.access.pages import MOST
from scout_control.api import overview
from scout_control.api.overview import Visible
from scout_control.errors import SettingsError
from scout_control.store import lookups, visibility
from scout_control.store.models import Credential, Dataset, Project, ProjectSource, Source

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from scout_control.access.authorization import Authorizer
    from scout_control.store.visibility import Viewer

MOST_HISTORY = 100


def status(
    auth: Authorizer, *, project: str | None, dataset: str | None, history: int
) -> overview.Status:
    """Return the status of what the person may see; at most 500 of each kind, as in a list.

    Raises:
        NotFoundError: There is no such project or dataset that the person may see.
        SettingsError: The history is longer than it may be.
    """
    if not 0 <= history <= MOST_HISTORY:
        raise SettingsError(
            "A history of this length is not possible.", f"Choose 0 to {MOST_HISTORY}."
        )
    with auth.reading() as (session, viewer):
        if project is not None:
            seen = visibility.projects(viewer, "projects.show")
            project = lookups.project(session, project, visible=seen).id
        visible = Visible(
            datasets=_datasets(session, viewer, project, dataset),
            credentials=_credentials(session, viewer, project, dataset),
            sources=_sources(session, viewer, project, dataset),
            projects=_projects(session, viewer),
        )
    return overview.status(
        auth.scout.installation, project=None, user=None, history=history, visible=visible
    )


def _projects(session: Session, viewer: Viewer) -> list[str]:
    return list(
        session.scalars(select(Project.id).where(visibility.projects(viewer, "projects.show")))
    )


def _datasets(
    session: Session, viewer: Viewer, project: str | None, dataset: str | None
) -> list[str]:
    visible = visibility.datasets(viewer, "status")
    statement = select(Dataset.id).join(Dataset.project_source).where(visible)
    if dataset is not None:
        found = lookups.dataset(session, dataset, visible=visible)
        statement = statement.where(Dataset.id == found.id)
    if project is not None:
        statement = statement.where(ProjectSource.project_id == project)
    return [
        str(each) for each in session.scalars(statement.order_by(Dataset.schema_name).limit(MOST))
    ]


def _credentials(
    session: Session, viewer: Viewer, project: str | None, dataset: str | None
) -> list[str]:
    if dataset is not None:
        return []
    statement = select(Credential.id).where(visibility.credentials(viewer, "credentials.list"))
    if project is not None:
        theirs: ColumnElement[bool] = Credential.project_id == project
        statement = statement.where(theirs | (Credential.user_id == viewer.person_id))
    return [str(each) for each in session.scalars(statement.order_by(Credential.id).limit(MOST))]


def _sources(
    session: Session, viewer: Viewer, project: str | None, dataset: str | None
) -> list[str]:
    if dataset is not None:
        return []
    statement = select(Source.id).where(
        Source.is_active, visibility.sources(viewer, "sources.list")
    )
    if project is not None:
        used = select(ProjectSource.source_id)
        used = used.where(ProjectSource.is_active, ProjectSource.project_id == project)
        statement = statement.where(Source.id.in_(used))
    return [str(each) for each in session.scalars(statement.order_by(Source.name).limit(MOST))]
