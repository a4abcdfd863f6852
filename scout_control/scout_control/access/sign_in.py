"""Sessions of browsers: how one begins, whose it is, and how it ends.

A session always gets a new secret when it begins, so one that was planted in a browser before is
worth nothing. What it reaches is what it began with: a token that only reads begins a session that
only reads.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from scout_control.access.identity import (
    Identity,
    TokenIdentity,
    attempts_of,
    authenticate,
    not_signed_in,
)
from scout_control.credentials.provider import failed
from scout_control.errors import NotSignedInError
from scout_control.rules import access_tokens, sessions
from scout_control.rules.permissions import Scope
from scout_control.rules.sessions import Method
from scout_control.store import audit, models
from scout_control.store import sessions as stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation

ENDED = "The session has ended."
SCOPE_NAMES = {each: each.name.lower() for each in Scope}
SCOPES_BY_NAME = {name: each for each, name in SCOPE_NAMES.items()}


@dataclass(frozen=True, kw_only=True)
class BrowserSession:
    """A session of a browser."""

    id: str
    identity: Identity
    secret: str = field(repr=False)
    """The value of the cookie; not stored."""
    expires_at: datetime


def with_token(installation: Installation, token: str) -> BrowserSession:
    """Begin a session with a token of this installation.

    Raises:
        NotSignedInError: The token is not valid.
        TooManyAttemptsError: Too many wrong tokens were sent.
    """
    identity = authenticate(installation, token.strip())
    if not isinstance(identity, TokenIdentity):
        raise not_signed_in()  # the provider's tokens are for programs: it signs people in itself
    with installation.store.begin() as session:
        return _begin(
            session,
            identity.person,
            Method.TOKEN,
            scope=identity.scope,
            token_id=UUID(str(identity.token_id)),
            limit=identity.expires_at,
        )


def of_link(installation: Installation, secret: str) -> str:
    """Return the id of the person whom a link signs in; it is not used up by that.

    Raises:
        NotSignedInError: It was used, has expired, or its person is inactive.
        TooManyAttemptsError: Too many wrong ones were opened.
    """
    with _opening(installation, secret), installation.store.begin() as session:
        return _checked(session, stored.find_link(session, secret, datetime.now(UTC)))


def with_link(installation: Installation, secret: str) -> BrowserSession:
    """Begin a session with a link, which is used up.

    Raises:
        NotSignedInError: It was used, has expired, or its person is inactive.
        TooManyAttemptsError: Too many wrong ones were opened.
    """
    with _opening(installation, secret), installation.store.begin() as session:
        person_id = _checked(session, stored.take_link(session, secret, datetime.now(UTC)))
        return _begin(session, person_id, Method.LINK)


@contextmanager
def _opening(installation: Installation, secret: str) -> Iterator[None]:
    """Count a link that is not accepted, and refuse who opened too many."""
    attempts, digest = attempts_of(installation), access_tokens.digest(secret)
    attempts.check(digest)
    try:
        yield
    except NotSignedInError:
        attempts.failed(digest)
        raise


def _checked(session: Session, person_id: str | None) -> str:
    if person_id is None or not _is_active(session, person_id):
        raise NotSignedInError(
            "This link was used, or has expired.", "Make another: scout sessions link PERSON"
        )
    return person_id


def as_person(session: Session, person_id: str) -> BrowserSession:
    """Begin a session of a person whom the provider has signed in.

    Raises:
        NotSignedInError: They are inactive.
    """
    if not _is_active(session, person_id):
        raise failed("Your access to this installation was ended")
    return _begin(session, person_id, Method.OPENID)


def resume(installation: Installation, secret: str) -> BrowserSession:
    """Return the session of a browser, and record its use.

    Raises:
        NotSignedInError: It has ended.
    """
    now = datetime.now(UTC)
    with installation.store.begin() as session:
        found = stored.find(session, secret) if len(secret) <= sessions.MOST_CHARACTERS else None
        if found is None:
            raise ended()
        row, person, token = found
        if not sessions.is_alive(row.last_used_at, row.expires_at, now) or not person.is_active:
            raise ended()
        if token is not None:
            status = access_tokens.status(token.expires_at, token.revoked_at, now, is_active=True)
            if status != access_tokens.VALID:
                raise ended()
        stored.record_use(session, row.id, now)
        return _view(row, secret)


def sign_out(installation: Installation, secret: str) -> None:
    """End the session of a browser, if it has one."""
    with installation.store.begin() as session:
        person = stored.end(session, secret=secret)
        if person is not None:
            with audit.acting_as(person):
                audit.record(session, "signed out", "person", person, user=person)


def ended() -> NotSignedInError:
    """Return the error for a session that is not accepted, whatever the reason is."""
    return NotSignedInError(ENDED, "Sign in again.")


def _is_active(session: Session, person_id: str) -> bool:
    person = session.get(models.Person, person_id)
    return person is not None and person.is_active


def _begin(
    session: Session,
    person_id: str,
    method: Method,
    *,
    scope: Scope = Scope.FULL,
    token_id: UUID | None = None,
    limit: datetime | None = None,
) -> BrowserSession:
    now = datetime.now(UTC)
    secret = secrets.token_urlsafe(sessions.RANDOM_BYTES)
    row = models.BrowserSession(
        person_id=person_id,
        hash=sessions.digest(secret),
        method=str(method),
        scope=SCOPE_NAMES[scope],
        token_id=token_id,
        last_used_at=now,
        expires_at=sessions.ends_at(now, limit),
    )
    stored.begin(session, row)
    with audit.acting_as(person_id):
        audit.record(session, "signed in", "person", person_id, user=person_id, method=str(method))
    return _view(row, secret)


def _view(row: models.BrowserSession, secret: str) -> BrowserSession:
    token_id = None if row.token_id is None else str(row.token_id)
    scope = SCOPES_BY_NAME[row.scope]
    identity = Identity(person=row.person_id, scope=scope, token_id=token_id)
    return BrowserSession(
        id=str(row.id), identity=identity, secret=secret, expires_at=row.expires_at
    )
