"""Tokens: with them, programs act for a person through the surfaces of this installation."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING

from sqlalchemy import select

from scout_control.api.people import find
from scout_control.api.people_views import NewToken, Token
from scout_control.errors import ConflictError, SettingsError
from scout_control.rules import access_tokens
from scout_control.rules.identifiers import MAX_LENGTH
from scout_control.rules.permissions import SCOPES
from scout_control.rules.suggestions import advice
from scout_control.store import audit, lookups, models, people

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation


@dataclass(frozen=True)
class Tokens:
    """Tokens of people. A token is shown once, by ``create``; only its hash is stored."""

    _installation: Installation

    def list(self, *, person: str | None = None) -> Sequence[Token]:
        """Return all tokens, or those of a person, the newest first."""
        statement = select(models.Token, models.Person).join(
            models.Person, models.Person.id == models.Token.person_id
        )
        now = datetime.now(UTC)
        with self._installation.store.begin() as session:
            if person is not None:
                statement = statement.where(models.Person.id == find(session, person).id)
            rows = session.execute(statement.order_by(models.Token.created_at.desc()))
            return [Token.of(row, now, is_active=owner.is_active) for row, owner in rows]

    def create(
        self,
        person: str,
        *,
        name: str = "",
        scope: str = "write",
        expires: str = access_tokens.DEFAULT_EXPIRY,
    ) -> NewToken:
        """Make a token for a person; ``token`` of the result is not stored, nor shown again.

        Args:
            person: The id of the person.
            name: What it is for.
            scope: ``read``, or ``write`` for all that the person may do.
            expires: How long it is accepted: 24h, 90d, 8w or never.

        Raises:
            SettingsError: The scope, the name or the period is invalid.
            ConflictError: The person has too many tokens that are valid.
        """
        now = datetime.now(UTC)
        if scope not in SCOPES:
            raise SettingsError(
                f"There is no scope {scope!r}.", advice([scope], SCOPES, "The scopes are")
            )
        if len(name) > MAX_LENGTH or (name and not name.isprintable()):
            raise SettingsError(
                "The name of a token is too long or has control characters.", "Correct it."
            )
        token = access_tokens.compose(secrets.token_bytes(access_tokens.RANDOM_BYTES))
        with self._installation.store.begin() as session:
            owner = find(session, person, lock=True)
            if people.count_tokens(session, owner.id, now) >= access_tokens.MOST_OF_PERSON:
                raise ConflictError(
                    f"{owner.id} has {access_tokens.MOST_OF_PERSON} valid tokens already.",
                    "Revoke what is not used any longer; see: "
                    f"scout tokens list --person {quote(owner.id)}",
                )
            row = models.Token(
                id=uuid.uuid4(),
                person_id=owner.id,
                name=name,
                hash=access_tokens.digest(token),
                scope=scope,
                expires_at=access_tokens.expires_at(expires, now),
                created_by=audit.actor(),
            )
            people.forget_tokens(session, owner.id, now)
            session.add(row)
            session.flush()
            details = {"name": name, "scope": scope, "expires_at": row.expires_at}
            audit.record(session, "created", "token", row.id, user=owner.id, **details)
            view = Token.of(row, now, is_active=owner.is_active)
            return NewToken(**vars(view), token=token)

    def revoke(self, token_id: str) -> Token:
        """End a token at once. Repeating it changes nothing.

        Args:
            token_id: The id that ``list`` shows, which is not the token.

        Raises:
            NotFoundError: No token has this id.
        """
        now = datetime.now(UTC)
        with self._installation.store.begin() as session:
            row = lookups.token(session, token_id)
            if row.revoked_at is None:
                row.revoked_at = now
                names = {"user": row.person_id}
                audit.record(session, "revoked", "token", row.id, **names, name=row.name)
            owner = find(session, row.person_id)
            return Token.of(row, now, is_active=owner.is_active)
