"""Views of people, of their memberships, and of their tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from scout_control.api.view import View
from scout_control.rules import access_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.store import models


@dataclass(frozen=True, kw_only=True)
class Person(View):
    """Someone who signs in; the id is the user id of their datasets and credentials."""

    id: str
    name: str
    email: str | None
    issuer: str | None
    subject: str | None
    roles: list[str]
    """What they may do in the whole installation."""
    projects: dict[str, str]
    """Their role by project."""
    is_active: bool

    @classmethod
    def of(cls, row: models.Person, projects: Mapping[str, str]) -> Person:
        """Return the view of a stored person."""
        return cls(
            id=row.id,
            name=row.name,
            email=row.email,
            issuer=row.issuer,
            subject=row.subject,
            roles=sorted(row.roles),
            projects=dict(projects),
            is_active=row.is_active,
        )


@dataclass(frozen=True, kw_only=True)
class Member(View):
    """What a person is in a project."""

    project: str
    person: str
    name: str
    role: str

    @classmethod
    def of(cls, row: models.Member, person: models.Person) -> Member:
        """Return the view of a stored member."""
        return cls(project=row.project_id, person=row.person_id, name=person.name, role=row.role)


@dataclass(frozen=True, kw_only=True)
class Token(View):
    """A token without the token itself, which is not stored."""

    id: str
    person: str
    name: str
    scope: str
    status: str
    """``valid``, ``expired``, ``revoked``, or ``inactive`` if its person is."""
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: models.Token, now: datetime, *, is_active: bool) -> Token:
        """Return the view of a stored token; ``is_active`` is that of its person."""
        return cls(
            id=str(row.id),
            person=row.person_id,
            name=row.name,
            scope=row.scope,
            status=access_tokens.status(row.expires_at, row.revoked_at, now, is_active=is_active),
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )


@dataclass(frozen=True, kw_only=True)
class NewToken(Token):
    """A token that was just made: the only time that it is shown."""

    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class BrowserSession(View):
    """A browser in which a person is signed in."""

    id: str
    person: str
    method: str
    """How it began: ``token``, ``link`` or ``openid``."""
    scope: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, row: models.BrowserSession) -> BrowserSession:
        """Return the view of a stored session."""
        return cls(
            id=str(row.id),
            person=row.person_id,
            method=row.method,
            scope=row.scope,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
        )


@dataclass(frozen=True, kw_only=True)
class SignInLink(View):
    """A link that signs a person in, once."""

    person: str
    secret: str = field(repr=False)
    """What follows ``/sign-in/link/`` in the address; not stored, nor shown again."""
    expires_at: datetime

    @property
    def path(self) -> str:
        """The path of the link, after the address of ``scout serve``."""
        return f"/sign-in/link/{self.secret}"
