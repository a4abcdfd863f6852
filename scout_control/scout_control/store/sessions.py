"""Queries about sessions of browsers, links that begin one, and authorizations in progress."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select, update

from scout_control.rules import sessions
from scout_control.store.models import Authorization, BrowserSession, Person, SignInLink, Token

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import Row
    from sqlalchemy.orm import Session


def find(session: Session, secret: str) -> Row[tuple[BrowserSession, Person, Token | None]] | None:
    """Return a session, its person, and the token that began it, whether accepted or not."""
    statement: Any = (
        select(BrowserSession, Person, Token)
        .join(Person, Person.id == BrowserSession.person_id)
        .outerjoin(Token, Token.id == BrowserSession.token_id)
        .where(BrowserSession.hash == sessions.digest(secret))
    )
    return session.execute(statement).first()


def record_use(session: Session, session_id: uuid.UUID, now: datetime) -> None:
    """Record that a session was used, unless that was recorded a moment ago."""
    is_due = BrowserSession.last_used_at < now - sessions.USE_RECORDED_EVERY
    session.execute(
        update(BrowserSession)
        .where(BrowserSession.id == session_id, is_due)
        .values(last_used_at=now, updated_at=BrowserSession.updated_at)
    )


def of_person(session: Session, person_id: str, now: datetime) -> Sequence[BrowserSession]:
    """Return the sessions of a person that have not ended, the latest first."""
    statement = (
        select(BrowserSession)
        .where(BrowserSession.person_id == person_id, ~_is_over(now))
        .order_by(BrowserSession.created_at.desc(), BrowserSession.id)
    )
    return session.scalars(statement).all()


def begin(session: Session, row: BrowserSession) -> None:
    """Add a session; of a person, those that were used last are kept."""
    session.add(row)
    session.flush()
    theirs = select(BrowserSession.id).where(BrowserSession.person_id == row.person_id)
    latest = (BrowserSession.last_used_at.desc(), BrowserSession.id)
    beyond = theirs.order_by(*latest).offset(sessions.MOST_OF_PERSON)
    others = BrowserSession.id != row.id
    session.execute(delete(BrowserSession).where(BrowserSession.id.in_(beyond), others))


def end(session: Session, *, secret: str) -> str | None:
    """End the session of a browser; return whose it was."""
    statement = delete(BrowserSession).where(BrowserSession.hash == sessions.digest(secret))
    return session.scalar(statement.returning(BrowserSession.person_id))


def end_all(session: Session, person_id: str, keep: uuid.UUID | None = None) -> int:
    """End all sessions of a person, and the links and authorizations that would begin others.

    Args:
        session: The transaction.
        person_id: Whose sessions end.
        keep: The session that stays, if one does.
    """
    for model in (SignInLink, Authorization):
        session.execute(delete(model).where(model.person_id == person_id))
    ended = (
        delete(BrowserSession)
        .where(BrowserSession.person_id == person_id, BrowserSession.id.is_distinct_from(keep))
        .returning(BrowserSession.id)
    )
    return len(session.scalars(ended).all())


def find_link(session: Session, secret: str, now: datetime) -> str | None:
    """Return whose a link is, or None if it was used or has expired."""
    statement = select(SignInLink.person_id).where(
        SignInLink.hash == sessions.digest(secret), SignInLink.expires_at > now
    )
    return session.scalar(statement)


def take_link(session: Session, secret: str, now: datetime) -> str | None:
    """Use up a link; return whose it is, or None if it was used or has expired.

    One statement finds and removes it: of two browsers that open it at once, one is let in.
    """
    statement = (
        delete(SignInLink)
        .where(SignInLink.hash == sessions.digest(secret), SignInLink.expires_at > now)
        .returning(SignInLink.person_id)
    )
    return session.scalar(statement)


def keep_authorization(session: Session, row: Authorization, now: datetime) -> bool:
    """Keep an authorization in progress; return False if there are too many already.

    Of one browser only the latest are kept. Those that have expired go: anyone can begin one.
    """
    session.execute(delete(Authorization).where(Authorization.expires_at <= now))
    if (session.scalar(select(func.count()).select_from(Authorization)) or 0) >= (
        sessions.MOST_IN_PROGRESS
    ):
        return False
    session.add(row)
    session.flush()
    latest = (
        select(Authorization.state_hash)
        .where(Authorization.browser_hash == row.browser_hash)
        .order_by(Authorization.created_at.desc(), Authorization.state_hash)
        .limit(sessions.MOST_AUTHORIZATIONS)
    )
    session.execute(
        delete(Authorization).where(
            Authorization.browser_hash == row.browser_hash,
            Authorization.state_hash.not_in(latest),
            Authorization.state_hash != row.state_hash,
        )
    )
    return True


def take_authorization(session: Session, state: str, browser: str, now: datetime) -> bytes | None:
    """Use up an authorization; return its ciphertext, or None if this browser has none such.

    One that another browser began stays: a stranger who learned a state must not end it.
    """
    statement = (
        delete(Authorization)
        .where(
            Authorization.state_hash == sessions.digest(state),
            Authorization.browser_hash == sessions.digest(browser),
            Authorization.expires_at > now,
        )
        .returning(Authorization.secrets)
    )
    return session.scalar(statement)


def purge(session: Session, now: datetime) -> None:
    """Delete what has expired."""
    session.execute(delete(BrowserSession).where(_is_over(now)))
    for model in (SignInLink, Authorization):
        session.execute(delete(model).where(model.expires_at <= now))


def _is_over(now: datetime) -> Any:
    return or_(BrowserSession.expires_at <= now, BrowserSession.last_used_at <= now - sessions.IDLE)
