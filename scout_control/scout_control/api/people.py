"""People who sign in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from scout_control.api.changes import check_name, check_unset
from scout_control.api.people_views import Person
from scout_control.errors import ConflictError, NotFoundError, SettingsError
from scout_control.rules.permissions import INSTALLATION_ROLES
from scout_control.rules.suggestions import advice, did_you_mean
from scout_control.rules.wording import counted
from scout_control.store import audit, lookups, models, people, sessions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation

DEFAULTS: dict[str, Any] = {"email": None, "issuer": None, "subject": None}
RESETTABLE = ("name", "email", "roles", "issuer", "subject")
PERSONAL = ("name", "email", "issuer", "subject")
"""Columns whose values the audit trail does not repeat."""


@dataclass(frozen=True)
class People:
    """People who sign in; the id of a person is the user id of their datasets and credentials."""

    _installation: Installation

    def list(self) -> Sequence[Person]:
        """Return all people."""
        with self._installation.store.begin() as session:
            rows = session.scalars(select(models.Person).order_by(models.Person.id)).all()
            projects = people.members_of(session, [row.id for row in rows])
            return [Person.of(row, projects.get(row.id, {})) for row in rows]

    def show(self, person: str) -> Person:
        """Return one person."""
        with self._installation.store.begin() as session:
            return _view(session, find(session, person))

    def add(
        self,
        person: str,
        *,
        name: str | None = None,
        email: str | None = None,
        roles: Iterable[str] = (),
        issuer: str | None = None,
        subject: str | None = None,
    ) -> Person:
        """Add a person.

        Args:
            person: Their id. Datasets and credentials of the user with this id are theirs.
            name: A name for people; the id by default.
            email: Their e-mail address, which no other person may have.
            roles: What they may do in the whole installation: ``operator``,
                ``manage_database_connections``.
            issuer: The URL of the OpenID Connect provider that signs them in.
            subject: What the provider calls them (the claim ``sub``).

        Raises:
            SettingsError: The id, the address or a role is invalid.
            ConflictError: There is such a person, or the address or the subject is another's.
        """
        check_name(person, "The id of a person", is_id=True)
        values = {"email": email, "issuer": issuer, "subject": subject, "name": name or person}
        with self._installation.store.begin() as session:
            if session.get(models.Person, person) is not None:
                raise ConflictError(
                    f"The person {person} already exists.",
                    f"Change them: scout people update {quote(person)}",
                )
            row = models.Person(id=person, created_by=audit.actor())
            _change(session, row, values | {"roles": _checked_roles(roles)})
            session.add(row)
            changes = audit.changes(row, personal=(*PERSONAL, "id", "created_by"))
            audit.record(session, "added", "person", person, user=person, changes=changes)
            session.flush()
            return _view(session, row)

    def update(
        self,
        person: str,
        *,
        name: str | None = None,
        email: str | None = None,
        roles: Iterable[str] | None = None,
        issuer: str | None = None,
        subject: str | None = None,
        is_active: bool | None = None,
        unset: Collection[str] = (),
    ) -> Person:
        """Change a person; what is left out keeps its value.

        Whose account at the provider signs them in is part of who they are: when that changes,
        their sessions and tokens end.

        Args:
            person: Their id.
            name: As in ``add``.
            email: As in ``add``.
            roles: As in ``add``; replaces their roles.
            issuer: As in ``add``.
            subject: As in ``add``.
            is_active: Whether they, and their tokens, are let in; False ends their sessions, too.
            unset: Names to reset to their defaults: ``name``, ``email``, ``roles``, ``issuer``,
                ``subject``.

        Raises:
            SettingsError: The address or a role is invalid, or a name to unset is unknown.
            ConflictError: The address or the subject is another person's.
        """
        given: dict[str, Any] = {"name": name, "email": email, "issuer": issuer}
        given |= {"subject": subject, "is_active": is_active}
        values = {key: each for key, each in given.items() if each is not None}
        if roles is not None:
            values["roles"] = _checked_roles(roles)
        reset = check_unset(unset, RESETTABLE, values, f"The person {person}")
        defaults = DEFAULTS | {"name": person, "roles": []}
        values |= {key: defaults[key] for key in reset}
        with self._installation.store.begin() as session:
            row = find(session, person, lock=True)
            account = (row.issuer, row.subject)
            _change(session, row, values)
            changes = audit.changes(row, personal=PERSONAL)
            ended = _end_sign_ins(session, row, is_another=account != (row.issuer, row.subject))
            audit.record(
                session, "updated", "person", person, user=person, changes=changes, **ended
            )
            session.flush()
            return _view(session, row)

    def remove(self, person: str) -> None:
        """Remove a person, with their memberships and tokens.

        Raises:
            ConflictError: They have datasets or credentials, which the next person with this id
                would be given.
        """
        with self._installation.store.begin() as session:
            row = find(session, person, lock=True)
            datasets, credentials = people.belongings(session, person)
            if datasets or credentials:
                raise ConflictError(
                    f"{person} has {counted(datasets, 'dataset')} and "
                    f"{counted(credentials, 'credential')}.",
                    f"Remove them too: scout purge --user {quote(person)}. Or only end the "
                    f"access: scout people update {quote(person)} --inactive",
                )
            session.delete(row)
            audit.record(session, "removed", "person", person, user=person)


def find(session: Session, person: str, *, lock: bool = False) -> models.Person:
    """Return a person.

    Raises:
        NotFoundError: No one has this id; a similar one is suggested.
    """
    try:
        return lookups.person(session, person, lock=lock)
    except NotFoundError as error:
        similar = did_you_mean([person], people.ids(session))
        remedy = " ".join(filter(None, (similar, error.remedy)))
        raise NotFoundError(error.cause, remedy) from None


def _view(session: Session, row: models.Person) -> Person:
    return Person.of(row, people.members_of(session, [row.id]).get(row.id, {}))


def _end_sign_ins(session: Session, row: models.Person, *, is_another: bool) -> dict[str, int]:
    """End the sessions of who is inactive, and also the tokens of who is another one now."""
    if row.is_active and not is_another:
        return {}
    ended = {"sessions_ended": sessions.end_all(session, row.id)}
    if is_another:
        ended["tokens_revoked"] = people.revoke_tokens(session, row.id)
    return ended


def _checked_roles(roles: Iterable[str]) -> Sequence[str]:
    names = sorted({roles} if isinstance(roles, str) else {*roles})
    if unknown := [each for each in names if each not in INSTALLATION_ROLES]:
        raise SettingsError(
            f"There is no role {', '.join(unknown)}.",
            advice(unknown, INSTALLATION_ROLES, "The roles are"),
        )
    return names


def _change(session: Session, row: models.Person, values: dict[str, Any]) -> None:
    for column, value in values.items():
        setattr(row, column, value)
    if (row.issuer is None) != (row.subject is None):
        raise SettingsError(
            "An issuer and a subject belong together.", "Give both, or neither of them."
        )
    if row.email is not None:
        _check_email(session, row)
    _check_subject(session, row)


def _check_email(session: Session, row: models.Person) -> None:
    email = row.email or ""
    local, at, host = email.rpartition("@")
    if not (local and at and host) or not email.isprintable() or " " in email:
        raise SettingsError("The e-mail address is invalid.", "Write it like ann@example.org.")
    others = models.Person.id != row.id
    is_same = func.lower(models.Person.email) == func.lower(email)
    with session.no_autoflush:
        taken = session.scalar(select(models.Person.id).where(is_same, others))
    if taken is not None:
        raise ConflictError(
            f"The e-mail address is that of {taken}.",
            f"Choose another, or change it there: scout people update {quote(taken)}",
        )


def _check_subject(session: Session, row: models.Person) -> None:
    if row.subject is None:
        return
    is_same = (models.Person.issuer == row.issuer) & (models.Person.subject == row.subject)
    with session.no_autoflush:
        taken = session.scalar(select(models.Person.id).where(is_same, models.Person.id != row.id))
    if taken is not None:
        raise ConflictError(
            f"The provider signs {taken} in by this subject.",
            f"Correct it, or unset it there: scout people update {quote(taken)} --unset issuer "
            "--unset subject",
        )
