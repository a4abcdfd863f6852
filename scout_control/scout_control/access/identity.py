"""Who is asking, and how far their sign-in reaches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scout_control.errors import NotSignedInError
from scout_control.rules import access_tokens
from scout_control.rules.permissions import SCOPES, Scope
from scout_control.store import people

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation

REMEDY = (
    "Send a token that is valid, as in Authorization: Bearer TOKEN. "
    "Make one: scout tokens create --person ID"
)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A person, and what their token or session may do at most."""

    person: str
    scope: Scope


def authenticate(installation: Installation, token: str) -> Identity:
    """Return whose a token is, and record its use.

    Raises:
        NotSignedInError: It is unknown, expired, revoked, or its person is inactive; the message
            is the same for all of these.
    """
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
        return Identity(person=person.id, scope=SCOPES[row.scope])


def not_signed_in() -> NotSignedInError:
    """Return the error for who is not let in, whatever the reason is."""
    return NotSignedInError("The token is not valid.", REMEDY)
