"""Sessions: the browsers in which people are signed in, and links that sign one in."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from scout_control.api.people import find
from scout_control.api.people_views import BrowserSession, SignInLink
from scout_control.errors import ConflictError
from scout_control.rules import sessions
from scout_control.rules.permissions import OPERATOR
from scout_control.store import audit, models
from scout_control.store import sessions as stored

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation

FIRST_OPERATOR = "operator"
"""The id of the person that ``first_link`` signs in."""


@dataclass(frozen=True)
class Sessions:
    """Sessions of people. No method returns what a browser holds."""

    _installation: Installation

    def list(self, person: str) -> Sequence[BrowserSession]:
        """Return the sessions of a person that have not ended, the newest first."""
        with self._installation.store.begin() as session:
            found = stored.of_person(session, find(session, person).id, datetime.now(UTC))
            return [BrowserSession.of(row) for row in found]

    def end(self, person: str, *, keep: str | None = None) -> int:
        """Sign a person out of all browsers; return of how many.

        Links and authorizations that they have begun end, too; tokens stay.

        Args:
            person: The id of the person.
            keep: The id of a session that stays.
        """
        with self._installation.store.begin() as session:
            row = find(session, person)
            kept = None if keep is None else uuid.UUID(keep)
            ended = stored.end_all(session, row.id, kept)
            audit.record(session, "signed out", "person", row.id, user=row.id, sessions=ended)
            return ended

    def link(self, person: str) -> SignInLink:
        """Make a link that signs a person in, once, within 15 minutes.

        Raises:
            ConflictError: The person is inactive.
        """
        with self._installation.store.begin() as session:
            row = find(session, person)
            if not row.is_active:
                raise ConflictError(
                    f"{person} is inactive.", "Let them in first: scout people update ID --active"
                )
            secret = secrets.token_urlsafe(sessions.RANDOM_BYTES)
            link = models.SignInLink(
                person_id=row.id,
                hash=sessions.digest(secret),
                expires_at=datetime.now(UTC) + sessions.LINK_EXPIRY,
                created_by=audit.actor(),
            )
            session.add(link)
            audit.record(session, "created", "sign-in link", row.id, user=row.id)
            session.flush()
            return SignInLink(person=row.id, secret=secret, expires_at=link.expires_at)

    def first_link(self) -> SignInLink | None:
        """Return a link for the first operator; None once there are other people.

        An installation without people gets the person ``operator`` with that role. Who may read
        its store could add them as well.
        """
        with self._installation.store.begin() as session:
            people = session.scalars(select(models.Person).limit(2)).all()
            if not people:
                row = models.Person(id=FIRST_OPERATOR, name="First operator", roles=[OPERATOR])
                row.created_by = audit.actor()
                session.add(row)
                audit.record(session, "added", "person", row.id, user=row.id, roles=row.roles)
            elif [each.id for each in people if each.is_active] != [FIRST_OPERATOR]:
                return None
        return self.link(FIRST_OPERATOR)
