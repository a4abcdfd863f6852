"""People and their tokens, as a person sees them: most see themselves only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.access.pages import LIMIT, Page, newest, page
from scout_control.api import people_views
from scout_control.errors import ConflictError
from scout_control.rules import access_tokens
from scout_control.store import models, people, visibility

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scout_control.access.authorization import Authorizer


@dataclass(frozen=True)
class People:
    """The people that a person may see."""

    _auth: Authorizer

    def me(self) -> people_views.Person:
        """Return the person who is signed in."""
        return self.show(self._auth.identity.person)

    def list(self, *, after: str | None = None, limit: int = LIMIT) -> Page[people_views.Person]:
        """Return people, in the order of their ids."""
        with self._auth.reading() as (session, viewer):
            rows: Sequence[models.Person]
            rows, following = page(
                session,
                select(models.Person).where(visibility.people(viewer, "people.list")),
                models.Person.id,
                after=after,
                limit=limit,
                cursor=lambda row: row.id,
            )
            memberships = people.members_of(session, [row.id for row in rows])
            found = [people_views.Person.of(row, memberships.get(row.id, {})) for row in rows]
            return Page(found, following)

    def show(self, person: str) -> people_views.Person:
        """Return one person."""
        with self._auth.person("people.show", person) as person_id:
            return self._auth.scout.people.show(person_id)

    def add(
        self,
        person: str,
        *,
        name: str | None = None,
        email: str | None = None,
        roles: Iterable[str] = (),
        issuer: str | None = None,
        subject: str | None = None,
    ) -> people_views.Person:
        """Add a person.

        Raises:
            ConflictError: With an issuer and a subject: there is data under this id already.
        """
        with self._auth.new_person("people.add", person):
            self._check_account(person, {"issuer": issuer, "subject": subject})
            return self._auth.scout.people.add(
                person, name=name, email=email, roles=roles, issuer=issuer, subject=subject
            )

    def update(self, person: str, **changes: Any) -> people_views.Person:
        """Change a person; the arguments are those of ``Scout.people.update``.

        Raises:
            ConflictError: Another account would sign in someone who has something.
        """
        with self._auth.person("people.update", person) as person_id:
            self._check_account(person_id, changes)
            return self._auth.scout.people.update(person_id, **changes)

    def _check_account(self, person: str, values: Mapping[str, Any]) -> None:
        """Refuse what lets the holder of an account be someone who has something already.

        An operator could name their own account, and read what is another person's alone. At the
        shell, which reads everything anyway, it can be done.
        """
        with self._auth.scout.installation.store.begin() as session:
            row = session.get(models.Person, person)
            is_another = any(
                values.get(name) is not None and values[name] != getattr(row, name, None)
                for name in ("issuer", "subject")
            )
            if is_another and people.has_anything(session, person):
                raise ConflictError(
                    f"{person} has data, memberships, tokens or sessions: who holds the new "
                    "account of the provider would be them.",
                    "Only at the shell of this installation can that be changed.",
                )

    def remove(self, person: str) -> None:
        """Remove another person, with their memberships and tokens."""
        with self._auth.person("people.remove", person) as person_id:
            self._auth.scout.people.remove(person_id)


@dataclass(frozen=True)
class Tokens:
    """The tokens of the person; an operator sees and revokes those of others."""

    _auth: Authorizer

    def list(
        self, *, person: str | None = None, after: str | None = None, limit: int = LIMIT
    ) -> Page[people_views.Token]:
        """Return the tokens of a person, by default one's own, the newest first."""
        now = datetime.now(UTC)
        with self._auth.person("tokens.list", person or self._auth.identity.person) as owner:
            pass
        with self._auth.reading() as (session, viewer):
            row = session.get_one(models.Person, owner)
            visible = visibility.tokens(viewer, "tokens.list")
            tokens: Sequence[models.Token]
            tokens, following = newest(
                session,
                select(models.Token).where(models.Token.person_id == owner, visible),
                (models.Token.created_at, models.Token.id),
                after=after,
                limit=limit,
                place=lambda each: (each.created_at, each.id),
            )
            found = [people_views.Token.of(each, now, is_active=row.is_active) for each in tokens]
            return Page(found, following)

    def create(
        self,
        *,
        name: str = "",
        scope: str = "write",
        expires: str = access_tokens.DEFAULT_EXPIRY,
    ) -> people_views.NewToken:
        """Make a token for the person who is signed in."""
        with self._auth.person("tokens.create", self._auth.identity.person) as person:
            return self._auth.scout.tokens.create(person, name=name, scope=scope, expires=expires)

    def revoke(self, token_id: str) -> people_views.Token:
        """End a token at once."""
        with self._auth.token("tokens.revoke", token_id) as identity:
            return self._auth.scout.tokens.revoke(identity)


@dataclass(frozen=True)
class Sessions:
    """The browsers in which the person is signed in; an operator sees those of others, too."""

    _auth: Authorizer

    def list(self, person: str | None = None) -> Sequence[people_views.BrowserSession]:
        """Return the sessions of a person, by default one's own, the newest first."""
        with self._auth.person("sessions.list", person or self._auth.identity.person) as owner:
            return self._auth.scout.sessions.list(owner)

    def end(self, person: str | None = None, *, keep: str | None = None) -> int:
        """Sign a person out of all browsers, by default oneself; return of how many.

        Args:
            person: The id of the person.
            keep: The id of a session that stays, such as the present one.
        """
        with self._auth.person("sessions.end", person or self._auth.identity.person) as owner:
            return self._auth.scout.sessions.end(owner, keep=keep)
