"""Queries about the logins with which people read datasets in the database itself."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select

from scout_control.store import people, visibility
from scout_control.store.models import Dataset, Member, Person, ReaderLogin, Token

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

OPERATION = "datasets.query"
"""Who may do this may have a login: it reads the same rows."""


def find(session: Session, dataset_id: uuid.UUID, person_id: str) -> ReaderLogin | None:
    """Return the login with which a person reads a dataset."""
    is_theirs = (ReaderLogin.dataset_id == dataset_id) & (ReaderLogin.person_id == person_id)
    return session.scalar(select(ReaderLogin).where(is_theirs))


def may_read(session: Session, dataset: Dataset, person_id: str) -> bool:
    """Return whether a person may read a dataset, which stays so until the transaction ends.

    Who ends their access at the same time waits, and then ends the login that was made meanwhile.
    """
    person = session.get(Person, person_id, with_for_update={"read": True})
    membership = (dataset.project_source.project_id, person_id)
    session.get(Member, membership, with_for_update={"read": True})
    if person is None or not person.is_active:
        return False
    statement = select(Dataset.id).join(Dataset.project_source).where(Dataset.id == dataset.id)
    return session.scalar(statement.where(_condition(person))) is not None


def end_unpermitted(session: Session, person_id: str) -> Sequence[uuid.UUID]:
    """End the logins of a person that they may not have any longer; return them.

    Their access to the dataset has ended, or a token with which the password was requested.
    """
    session.flush()
    theirs = ReaderLogin.person_id == person_id
    rows = session.scalars(select(ReaderLogin).where(theirs).with_for_update(of=ReaderLogin)).all()
    permitted = _permitted(session, person_id) if rows else set()
    tokens = _valid_tokens(session, person_id) if rows else set()
    ended = [
        each for each in rows if each.id not in permitted or not tokens.issuperset(each.token_ids)
    ]
    _end(ended)
    return [each.id for each in ended]


def end_of_person(session: Session, person_id: str) -> Sequence[uuid.UUID]:
    """End all logins of a person; return them."""
    rows = session.scalars(select(ReaderLogin).where(ReaderLogin.person_id == person_id)).all()
    _end(rows)
    session.flush()
    return [each.id for each in rows]


def end_all(session: Session, dataset_id: uuid.UUID) -> Sequence[uuid.UUID]:
    """End the logins of all people to a dataset; return them."""
    rows = session.scalars(select(ReaderLogin).where(ReaderLogin.dataset_id == dataset_id)).all()
    _end(rows)
    return [each.id for each in rows]


def _end(rows: Collection[ReaderLogin]) -> None:
    for row in rows:
        row.person_id, row.password, row.token_ids = None, None, []


def _permitted(session: Session, person_id: str) -> set[uuid.UUID]:
    person = session.get(Person, person_id)
    if person is None or not person.is_active:
        return set()
    statement = select(ReaderLogin.id).join(Dataset, Dataset.id == ReaderLogin.dataset_id)
    statement = statement.join(Dataset.project_source)
    is_theirs = ReaderLogin.person_id == person_id
    return set(session.scalars(statement.where(is_theirs, _condition(person))))


def _condition(person: Person) -> ColumnElement[bool]:
    viewer = visibility.Viewer(person_id=person.id, roles=people.roles_of(person))
    return visibility.datasets(viewer, OPERATION)


def _valid_tokens(session: Session, person_id: str) -> set[uuid.UUID]:
    has_expired = Token.expires_at <= datetime.now(UTC)
    is_valid = or_(Token.expires_at.is_(None), ~has_expired) & Token.revoked_at.is_(None)
    return set(session.scalars(select(Token.id).where(Token.person_id == person_id, is_valid)))


def owners(session: Session) -> Sequence[str]:
    """Return the people who have a login."""
    has_one = ReaderLogin.person_id.is_not(None)
    found = session.scalars(select(ReaderLogin.person_id).where(has_one).distinct())
    return [each for each in found if each is not None]


def ended(session: Session, ids: Collection[uuid.UUID] | None = None) -> Sequence[ReaderLogin]:
    """Return the logins that have ended, or those of these, whose role is still to be dropped."""
    statement = select(ReaderLogin).where(ReaderLogin.person_id.is_(None))
    if ids is not None:
        statement = statement.where(ReaderLogin.id.in_(ids))
    return session.scalars(statement).all()


def roles(session: Session, dataset_id: uuid.UUID | None = None) -> Sequence[str]:
    """Return the roles of people, all or those of a dataset."""
    statement = select(ReaderLogin.role)
    if dataset_id is not None:
        statement = statement.where(ReaderLogin.dataset_id == dataset_id)
    return session.scalars(statement).all()


def remove(session: Session, roles_dropped: Collection[str]) -> None:
    """Remove the rows of logins that have ended and whose role was dropped."""
    is_dropped = ReaderLogin.role.in_(roles_dropped) & ReaderLogin.person_id.is_(None)
    session.execute(delete(ReaderLogin).where(is_dropped))


def remove_all(session: Session, dataset_id: uuid.UUID) -> None:
    """Remove the rows of a dataset, whose roles were dropped with its data."""
    session.execute(delete(ReaderLogin).where(ReaderLogin.dataset_id == dataset_id))
