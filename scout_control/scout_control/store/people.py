"""Queries about people: what they are, where they are members, and whose a token is."""

from __future__ import annotations

import hmac
import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, or_, select, update

from scout_control.rules import access_tokens
from scout_control.rules.permissions import INSTALLATION_ROLES, PROJECT_ROLES, Role
from scout_control.store.datasets import withdraw_consent
from scout_control.store.models import (
    BrowserSession,
    Credential,
    Dataset,
    Member,
    Person,
    ProjectSource,
    Token,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

MOST_SUGGESTIONS = 1000


def roles_of(person: Person) -> frozenset[Role]:
    """Return what a person is in the installation."""
    return frozenset({Role.PERSON, *(INSTALLATION_ROLES[each] for each in person.roles)})


def role_in(session: Session, person_id: str, project_id: str) -> Role | None:
    """Return what a person is in a project; None if they are no member."""
    found = session.get(Member, (project_id, person_id))
    return None if found is None else PROJECT_ROLES[found.role]


def roles_anywhere(session: Session, person_id: str) -> frozenset[Role]:
    """Return what a person is in any project."""
    statement = select(Member.role).where(Member.person_id == person_id).distinct()
    return frozenset(PROJECT_ROLES[each] for each in session.scalars(statement))


def roles_by_project(session: Session, person_id: str) -> dict[str, Role]:
    """Return what a person is in each of their projects."""
    statement = select(Member.project_id, Member.role).where(Member.person_id == person_id)
    return {project: PROJECT_ROLES[role] for project, role in session.execute(statement).tuples()}


def members_of(session: Session, person_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the roles of people by project."""
    statement = select(Member).where(Member.person_id.in_(person_ids)).order_by(Member.project_id)
    found: dict[str, dict[str, str]] = {}
    for each in session.scalars(statement):
        found.setdefault(each.person_id, {})[each.project_id] = each.role
    return found


def ids(session: Session) -> Sequence[str]:
    """Return some ids, to suggest one for a mistyped id."""
    return session.scalars(select(Person.id).order_by(Person.id).limit(MOST_SUGGESTIONS)).all()


def belongings(session: Session, person_id: str) -> tuple[int, int]:
    """Return how many datasets and how many credentials a person has."""
    return (
        session.scalar(select(func.count()).where(Dataset.user_id == person_id)) or 0,
        session.scalar(select(func.count()).where(Credential.user_id == person_id)) or 0,
    )


def has_anything(session: Session, person_id: str) -> bool:
    """Return whether a person has what another one could want: data, memberships, sign-ins."""
    owned = (Dataset.user_id, Credential.user_id)
    columns = (*owned, Member.person_id, Token.person_id, BrowserSession.person_id)
    return bool(
        session.scalar(select(or_(*(exists().where(each == person_id) for each in columns))))
    )


def count_tokens(session: Session, person_id: str, now: datetime) -> int:
    """Return how many tokens of a person are neither revoked nor expired."""
    statement = select(func.count()).where(
        Token.person_id == person_id,
        Token.revoked_at.is_(None),
        or_(Token.expires_at.is_(None), Token.expires_at > now),
    )
    return session.scalar(statement) or 0


def forget_tokens(session: Session, person_id: str, now: datetime) -> None:
    """Delete the tokens of a person that ended, but for the latest: one may make and end many."""
    has_ended = or_(Token.revoked_at.is_not(None), Token.expires_at <= now)
    theirs = select(Token.id).where(Token.person_id == person_id, has_ended)
    beyond = theirs.order_by(Token.created_at.desc(), Token.id).offset(access_tokens.MOST_OF_PERSON)
    session.execute(delete(Token).where(Token.id.in_(beyond)))


def purge_tokens(session: Session, before: datetime) -> None:
    """Delete tokens that were revoked, or had expired, before a moment."""
    session.execute(delete(Token).where(or_(Token.revoked_at < before, Token.expires_at < before)))


def revoke_tokens(session: Session, person_id: str) -> int:
    """End all tokens of a person; return how many."""
    ended = (
        update(Token)
        .where(Token.person_id == person_id, Token.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(Token.id)
    )
    return len(session.scalars(ended).all())


def end_consent(session: Session, person_id: str, project_id: str) -> Sequence[Dataset]:
    """Stop a project from reading with the credential of a person; return what it had read."""
    statement = (
        select(Dataset)
        .join(Dataset.project_source)
        .where(Dataset.user_id == person_id, ProjectSource.project_id == project_id)
    )
    datasets = session.scalars(statement).all()
    for each in datasets:
        withdraw_consent(each)
    return datasets


def find_token(session: Session, token: str) -> tuple[Token, Person] | None:
    """Return a token and its person, whether it is still accepted or not.

    The index compares hashes, so the time that it takes says nothing about a token.
    """
    digest = access_tokens.digest(token)
    statement = select(Token, Person).join(Person, Person.id == Token.person_id)
    found = session.execute(statement.where(Token.hash == digest)).first()
    if found is None or not hmac.compare_digest(found[0].hash, digest):
        return None
    return found[0], found[1]


def find_subject(session: Session, issuer: str, subject: str) -> Person | None:
    """Return the person whom a provider calls by this subject."""
    if not subject.isprintable():  # Postgres has no text with NUL
        return None
    statement = select(Person).where(Person.issuer == issuer, Person.subject == subject)
    return session.scalar(statement)


def record_use(session: Session, token_id: uuid.UUID, now: datetime) -> None:
    """Record that a token was used, unless that was recorded a moment ago."""
    known = session.get(Token, token_id)  # which is not read again
    earliest = now - access_tokens.USE_RECORDED_EVERY
    if known is not None and known.last_used_at is not None and known.last_used_at >= earliest:
        return
    is_due = or_(
        Token.last_used_at.is_(None),
        Token.last_used_at < earliest,
    )
    session.execute(
        update(Token)
        .where(Token.id == token_id, is_due)
        .values(last_used_at=now, updated_at=Token.updated_at)
    )
