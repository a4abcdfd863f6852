"""Finds objects by name, by id, or by the path that people type.

With ``visible``, a condition on the rows, what it leaves out does not exist: the statement, the
message, the names that it suggests and the time are those of a name that no object has.
"""

from __future__ import annotations

import re
import uuid
from shlex import quote
from typing import TYPE_CHECKING, NoReturn, TypeVar

from sqlalchemy import Select, Text, cast, false, func, select, true

from scout_control.errors import NotFoundError
from scout_control.rules import suggestions
from scout_control.store.models import (
    Connection,
    Credential,
    Dataset,
    Member,
    Person,
    Project,
    ProjectSource,
    Run,
    Source,
    Token,
)
from scout_control.store.owners import belongs_to, dataset_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

Row = TypeVar("Row", Connection, Person, Project, Source, ProjectSource)
ALL: ColumnElement[bool] = true()
LINKS: Select[tuple[str]] = (
    select(ProjectSource.project_id + "/" + Source.name)
    .join(ProjectSource.source)
    .order_by(ProjectSource.project_id, Source.name)
)
DATASETS: Select[tuple[str]] = (
    select(
        func.concat_ws("/", ProjectSource.project_id, Source.name, Dataset.user_id, type_=Text())
    )
    .join(Dataset.project_source)
    .join(ProjectSource.source)
    .order_by(ProjectSource.project_id, Source.name, Dataset.user_id.nulls_first())
)
MOST_KNOWN = 2000
"""Among how many names one is sought that may be meant."""
BEGINNING_OF_ID = re.compile(r"[0-9a-fA-F]{4,8}(-[0-9a-fA-F-]*)?")


def active_names(model: type[Connection | Project | Source]) -> Select[tuple[str]]:
    """Return the statement that selects what people call the active objects of a kind."""
    name = Project.id if model is Project else model.name
    return select(name).where(model.is_active).order_by(name)


def connection(
    session: Session, name: str, *, lock: bool = False, visible: ColumnElement[bool] = ALL
) -> Connection:
    """Return an active connection.

    Args:
        session: An open transaction.
        name: Its name or id.
        lock: Keep other transactions from changing it until this one ends.
        visible: What may be found.

    Raises:
        NotFoundError: No active object has this name or id.
    """
    statement = select(Connection).where(Connection.is_active, _named(Connection, name), visible)
    found = session.scalar(_locked(statement, Connection) if lock else statement)
    return found or _missing(session, "connection", name, active_names(Connection).where(visible))


def project(
    session: Session, name: str, *, lock: bool = False, visible: ColumnElement[bool] = ALL
) -> Project:
    """Return an active project, locked on request.

    Raises:
        NotFoundError: No active project has this id.
    """
    statement = select(Project).where(Project.is_active, Project.id == name, visible)
    found = session.scalar(_locked(statement, Project) if lock else statement)
    return found or _missing(session, "project", name, active_names(Project).where(visible))


def source(
    session: Session, name: str, *, lock: bool = False, visible: ColumnElement[bool] = ALL
) -> Source:
    """Return an active source, locked on request.

    Raises:
        NotFoundError: No active object has this name or id.
    """
    statement = select(Source).where(Source.is_active, _named(Source, name), visible)
    found = session.scalar(_locked(statement, Source) if lock else statement)
    return found or _missing(session, "source", name, active_names(Source).where(visible))


def link(
    session: Session, project_id: str, source_name: str, *, include_inactive: bool = False
) -> ProjectSource:
    """Return the link between a project and a source.

    Raises:
        NotFoundError: Project or source is unknown, or they are not linked.
    """
    project_row, source_row = project(session, project_id), source(session, source_name)
    found = session.scalar(
        _link(project_row, source_row).where(ProjectSource.is_active | include_inactive)
    )
    path = f"{project_id}/{source_name}"
    of_project = LINKS.where(ProjectSource.is_active, ProjectSource.project_id == project_row.id)
    return found or _missing(session, "link", path, of_project)


def link_by_id(
    session: Session, link_id: str, *, visible: ColumnElement[bool] = ALL
) -> ProjectSource:
    """Return a link by its id, active or not.

    Raises:
        NotFoundError: No link has this id.
    """
    statement = select(ProjectSource).where(ProjectSource.id == _uuid(link_id), visible)
    return session.scalar(statement) or _missing(session, "link", link_id)


def locked_link(session: Session, project: Project, source: Source) -> ProjectSource | None:
    """Return the link between a project and a source, active or not, locked; None without one."""
    return session.scalar(_locked(_link(project, source), ProjectSource))


def _link(project: Project, source: Source) -> Select[tuple[ProjectSource]]:
    return select(ProjectSource).where(
        ProjectSource.project_id == project.id, ProjectSource.source_id == source.id
    )


def _locked(statement: Select[tuple[Row]], model: type[Row]) -> Select[tuple[Row]]:
    """Return a statement that locks its rows, and reads them as they are once it has the lock.

    Rows that refer to a locked one can still be inserted.
    """
    locked = statement.with_for_update(of=model, key_share=True)
    return locked.execution_options(populate_existing=True)


def dataset(session: Session, name: str, *, visible: ColumnElement[bool] = ALL) -> Dataset:
    """Return a dataset by its id, its schema, its alias, or project/source, project/source/user.

    Raises:
        NotFoundError: No such dataset exists.
    """
    statement = select(Dataset).join(Dataset.project_source).where(visible)
    if identity := _uuid(name):
        statement = statement.where(Dataset.id == identity)
    elif "/" in name:
        project_id, source_name, *user = name.split("/", 2)
        statement = statement.join(ProjectSource.source)
        statement = statement.where(
            ProjectSource.project_id == project_id, _named(Source, source_name)
        )
        statement = statement.where(dataset_of(user[0] if user else None))
    else:
        # Minted names and aliases never begin alike.
        statement = statement.where((Dataset.schema_name == name) | (Dataset.alias == name))
    return session.scalar(statement) or _missing(session, "dataset", name, DATASETS.where(visible))


def run(session: Session, name: str, *, visible: ColumnElement[bool] = ALL) -> Run:
    """Return a run by its id or the beginning of it, or the latest run of a dataset by its path.

    Raises:
        NotFoundError: No run has this id, or several begin like this.
    """
    statement = select(Run).join(Run.dataset).join(Dataset.project_source).where(visible).limit(2)
    if identity := _uuid(name):
        statement = statement.where(Run.id == identity)
    elif "/" in name:
        of_dataset = Run.dataset_id == dataset(session, name, visible=visible).id
        statement = statement.where(of_dataset).order_by(Run.created_at.desc()).limit(1)
    elif BEGINNING_OF_ID.fullmatch(name):
        statement = statement.where(cast(Run.id, Text).startswith(name.lower()))
    else:
        statement = statement.where(false())
    candidates = session.scalars(statement).all()
    found = candidates[0] if len(candidates) == 1 else None
    return found or _missing(session, "run", name)


def person(
    session: Session, person_id: str, *, lock: bool = False, visible: ColumnElement[bool] = ALL
) -> Person:
    """Return a person, locked on request.

    Raises:
        NotFoundError: No person has this id.
    """
    statement = select(Person).where(Person.id == person_id, visible)
    found = session.scalar(_locked(statement, Person) if lock else statement)
    return found or _missing(session, "person", person_id)


def member(
    session: Session, project_id: str, person_id: str, *, visible: ColumnElement[bool] = ALL
) -> Member:
    """Return a membership.

    Raises:
        NotFoundError: No such person is a member of the project.
    """
    statement = select(Member).where(
        Member.project_id == project_id, Member.person_id == person_id, visible
    )
    if (found := session.scalar(statement)) is None:
        raise NotFoundError(
            f"No member {person_id!r} of {project_id!r} exists.",
            f"See: scout members list --project {quote(project_id)}",
        )
    return found


def token(session: Session, token_id: str, *, visible: ColumnElement[bool] = ALL) -> Token:
    """Return a token by its id.

    Raises:
        NotFoundError: No token has this id. The message does not repeat it: it may be a token.
    """
    identity = _uuid(token_id)
    statement = select(Token).where(Token.id == identity, visible)
    if (found := session.scalar(statement)) is None:
        raise NotFoundError("No token with this id exists.", "See: scout tokens list")
    return found


def credential(
    session: Session, source_id: uuid.UUID, project_id: str | None, user_id: str | None
) -> Credential | None:
    """Return the credential of exactly this owner at exactly this source.

    No other function finds credentials for use, so that none is used for another owner.
    """
    owner = belongs_to(Credential, project_id, user_id)
    return session.scalar(select(Credential).where(Credential.source_id == source_id, owner))


def credential_by_id(
    session: Session, credential_id: str, *, visible: ColumnElement[bool]
) -> Credential:
    """Return whose a credential is that someone may see; it is used by its owner's name only.

    Raises:
        NotFoundError: No credential has this id.
    """
    statement = select(Credential).where(Credential.id == _uuid(credential_id), visible)
    found = session.scalar(statement)
    return found or _missing(session, "credential", credential_id)


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


def _missing(
    session: Session, kind: str, name: str, known: Select[tuple[str]] | None = None
) -> NoReturn:
    """Raise the error for something that does not exist, with what may be meant.

    Args:
        session: An open transaction.
        kind: The noun of its commands.
        name: Its name.
        known: Selects the names that there are.
    """
    nouns = "people" if kind == "person" else f"{kind}s"
    names: Iterable[str] = () if known is None else session.scalars(known.limit(MOST_KNOWN))
    near = suggestions.near_paths(name, names)
    raise NotFoundError(f"No {kind} {name!r} exists.", f"{near} See: scout {nouns} list".lstrip())
