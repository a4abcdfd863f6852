"""Finds objects by name, by id, or by the path that people type."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NoReturn

from sqlalchemy import select

from scout_control.errors import NotFoundError
from scout_control.store.models import (
    Connection,
    Credential,
    Dataset,
    Project,
    ProjectSource,
    Run,
    Source,
)
from scout_control.store.owners import belongs_to, dataset_of

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session


def connection(session: Session, name: str) -> Connection:
    """Return an active connection.

    Raises:
        NotFoundError: No active object has this name or id.
    """
    found = session.scalar(select(Connection).where(Connection.is_active, _named(Connection, name)))
    return found or _missing("connection", name, "scout connections list")


def project(session: Session, name: str) -> Project:
    """Return an active project.

    Raises:
        NotFoundError: No active project has this id.
    """
    found = session.scalar(select(Project).where(Project.is_active, Project.id == name))
    return found or _missing("project", name, "scout projects list")


def source(session: Session, name: str) -> Source:
    """Return an active source.

    Raises:
        NotFoundError: No active object has this name or id.
    """
    found = session.scalar(select(Source).where(Source.is_active, _named(Source, name)))
    return found or _missing("source", name, "scout sources list")


def link(
    session: Session, project_id: str, source_name: str, *, include_inactive: bool = False
) -> ProjectSource:
    """Return the link between a project and a source.

    Raises:
        NotFoundError: Project or source is unknown, or they are not linked.
    """
    found = session.scalar(
        select(ProjectSource).where(
            ProjectSource.is_active | include_inactive,
            ProjectSource.project_id == project(session, project_id).id,
            ProjectSource.source_id == source(session, source_name).id,
        )
    )
    return found or _missing("link", f"{project_id}/{source_name}", "scout sources link")


def dataset(session: Session, name: str) -> Dataset:
    """Return a dataset by its id, its dataset schema, or project/source, project/source/user.

    Raises:
        NotFoundError: No such dataset exists.
    """
    statement = select(Dataset)
    if identity := _uuid(name):
        statement = statement.where(Dataset.id == identity)
    elif "/" in name:
        project_id, source_name, *user = name.split("/", 2)
        statement = statement.join(Dataset.project_source).join(ProjectSource.source)
        statement = statement.where(
            ProjectSource.project_id == project_id, _named(Source, source_name)
        )
        statement = statement.where(dataset_of(user[0] if user else None))
    else:
        statement = statement.where(Dataset.schema_name == name)
    return session.scalar(statement) or _missing("dataset", name, "scout datasets list")


def run(session: Session, name: str) -> Run:
    """Return a run by its id.

    Raises:
        NotFoundError: No run has this id.
    """
    identity = _uuid(name)
    found = session.get(Run, identity) if identity else None
    return found or _missing("run", name, "scout runs list")


def credential(
    session: Session, source_id: uuid.UUID, project_id: str | None, user_id: str | None
) -> Credential | None:
    """Return the credential of exactly this owner at exactly this source.

    No other function finds credentials, so that none is used for another owner.
    """
    owner = belongs_to(Credential, project_id, user_id)
    return session.scalar(select(Credential).where(Credential.source_id == source_id, owner))


def path(dataset: Dataset) -> str:
    """Return the path that people use to name a dataset."""
    link = dataset.project_source
    parts = [link.project_id, link.source.name, *([dataset.user_id] if dataset.user_id else [])]
    return "/".join(parts)


def _named(model: type[Connection | Source], name: str) -> ColumnElement[bool]:
    identity = _uuid(name)
    return model.id == identity if identity else model.name == name


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _missing(kind: str, name: str, command: str) -> NoReturn:
    raise NotFoundError(f"No {kind} {name!r} exists.", f"See: {command}")
