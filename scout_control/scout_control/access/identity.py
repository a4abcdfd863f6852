"""Who is asking, and how far their sign-in reaches.

``authenticate`` is the one way in for programs: tokens of this installation, and those that its
OpenID Connect provider issued. What a browser holds is in ``access.sign_in``.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scout_control.access.attempts import Attempts
from scout_control.credentials import provider, provider_tokens
from scout_control.errors import NotSignedInError
from scout_control.rules import access_tokens
from scout_control.rules.permissions import SCOPES, Scope
from scout_control.store import people

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation

log = logging.getLogger(__name__)

ME = "me"
"""What a person may call themselves in a request."""
REMEDY = (
    "Send a token that is valid, as in Authorization: Bearer TOKEN. "
    "Make one: scout tokens create --person ID"
)
_attempts: WeakKeyDictionary[Installation, Attempts] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A person, and what their token or session may do at most."""

    person: str
    scope: Scope
    token_id: str | None = None
    """The token of this installation that it rests on, also if a session was begun with it."""

    def known_as(self, person: str | None) -> str | None:
        """Return the id of a person whom this one calls ``me``, as the addresses do."""
        return self.person if person == ME else person


@dataclass(frozen=True, kw_only=True)
class TokenIdentity(Identity):
    """Whose a token of this installation is, and until when."""

    expires_at: datetime | None


def authenticate(installation: Installation, token: str) -> Identity:
    """Return whose a token is, and record its use.

    Args:
        installation: The installation.
        token: One that ``scout tokens create`` made, or that the provider issued. The sender's
            address is that of ``attempts.coming_from``.

    Raises:
        NotSignedInError: It is unknown, expired, revoked, or its person is inactive; the message
            is the same for all of these.
        TooManyAttemptsError: Too many wrong tokens were sent; this one was not looked up.
        ServerUnavailableError: The provider does not answer, and its keys are not known.
    """
    attempts, digest = attempts_of(installation), access_tokens.digest(token)
    attempts.check(digest)
    try:
        found = _identify(installation, token)
    except NotSignedInError:
        attempts.failed(digest)
        raise
    attempts.accepted(digest)
    return found


def attempts_of(installation: Installation) -> Attempts:
    """Return the counts of wrong tokens of an installation in this process."""
    return _attempts.setdefault(installation, Attempts())


def _identify(installation: Installation, token: str) -> Identity:
    if installation.settings.openid is not None and provider_tokens.looks_like(token):
        return _of_provider(installation, token)
    return _of_token(installation, token)


def _of_token(installation: Installation, token: str) -> TokenIdentity:
    now = datetime.now(UTC)
    with installation.store.begin() as session:
        found = people.find_token(session, token)
        if found is None:
            raise not_signed_in()
        row, person = found
        is_active = person.is_active
        status = access_tokens.status(row.expires_at, row.revoked_at, now, is_active=is_active)
        if status != access_tokens.VALID:
            raise not_signed_in()
        people.record_use(session, row.id, now)
        return TokenIdentity(
            person=person.id,
            scope=SCOPES[row.scope],
            token_id=str(row.id),
            expires_at=row.expires_at,
        )


def _of_provider(installation: Installation, token: str) -> Identity:
    """Return whose a token of the provider is; it reaches as far as the widest of our own."""
    settings = installation.settings.openid
    if settings is None:
        raise not_signed_in()
    try:
        claims = provider.of(settings).verify(token)
    except provider_tokens.InvalidTokenError as error:
        log.info("provider_token_refused reason=%s", error)
        raise not_signed_in() from None
    subject = claims.get(settings.subject_claim)
    with installation.store.begin() as session:
        person = (
            people.find_subject(session, settings.issuer, subject)
            if isinstance(subject, str)
            else None
        )
        if person is None or not person.is_active:
            raise not_signed_in()
        return Identity(person=person.id, scope=Scope.WRITE)


def not_signed_in() -> NotSignedInError:
    """Return the error for who is not let in, whatever the reason is."""
    return NotSignedInError("The token is not valid.", REMEDY)
