"""Members: which people belong to which projects, and as what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from sqlalchemy import select

from scout_control.api.people import find
from scout_control.api.people_views import Member
from scout_control.datasets import person_login
from scout_control.errors import ConflictError, SettingsError
from scout_control.rules.permissions import PROJECT_ROLES
from scout_control.rules.suggestions import advice
from scout_control.store import audit, lookups, models, people, reader_logins, run_cancellation

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation


@dataclass(frozen=True)
class Members:
    """The people of projects."""

    _installation: Installation

    def list(self, project: str | None = None, *, person: str | None = None) -> Sequence[Member]:
        """Return all members, or those of a project or of a person.

        Raises:
            NotFoundError: The project or the person does not exist.
        """
        statement = select(models.Member, models.Person).join(
            models.Person, models.Person.id == models.Member.person_id
        )
        with self._installation.store.begin() as session:
            if project is not None:
                is_theirs = models.Member.project_id == lookups.project(session, project).id
                statement = statement.where(is_theirs)
            if person is not None:
                statement = statement.where(models.Person.id == find(session, person).id)
            rows = session.execute(
                statement.order_by(models.Member.project_id, models.Member.person_id)
            )
            return [Member.of(member, row) for member, row in rows]

    def show(self, project: str, person: str) -> Member:
        """Return what a person is in a project."""
        with self._installation.store.begin() as session:
            return _view(session, _find(session, project, person))

    def add(self, project: str, person: str, *, role: str = "member") -> Member:
        """Make a person a member of a project.

        Args:
            project: The id of the project.
            person: The id of the person.
            role: ``member``, who reads and loads what the project shares, or ``admin``, who also
                manages links, credentials and members.

        Raises:
            ConflictError: They are a member already.
            SettingsError: The role is unknown.
        """
        _check_role(role)
        with self._installation.store.begin() as session:
            project_id = lookups.project(session, project).id
            row = find(session, person, lock=True)
            if session.get(models.Member, (project_id, row.id)) is not None:
                raise ConflictError(
                    f"{person} is a member of {project} already.",
                    f"Change the role: scout members update {quote(person)} --project "
                    f"{quote(project)} --role {role}",
                )
            member = models.Member(
                project_id=project_id, person_id=row.id, role=role, created_by=audit.actor()
            )
            session.add(member)
            _record(session, "joined", member, role=role)
            session.flush()
            return Member.of(member, row)

    def update(self, project: str, person: str, *, role: str) -> Member:
        """Change the role of a member.

        Raises:
            NotFoundError: They are no member.
            SettingsError: The role is unknown.
        """
        _check_role(role)
        with self._installation.store.begin() as session:
            member = _find(session, project, person)
            member.role = role
            _record(session, "updated", member, changes=audit.changes(member))
            return _view(session, member)

    def remove(self, project: str, person: str) -> None:
        """End a membership, and the person's consent that the project reads for them.

        Their data of it is refreshed no longer, and expires; their credentials stay. Their logins
        to its datasets are removed, and the sessions of these ended.

        Raises:
            NotFoundError: They are no member.
        """
        with self._installation.store.begin() as session:
            member = _find(session, project, person)
            for dataset in people.end_consent(session, member.person_id, member.project_id):
                run_cancellation.cancel_waiting(session, dataset.id)
            session.delete(member)
            _record(session, "left", member)
            ended = reader_logins.end_unpermitted(session, member.person_id)
        person_login.end(self._installation, ended)


def _find(session: Session, project: str, person: str) -> models.Member:
    project_id, person_id = lookups.project(session, project).id, find(session, person).id
    return lookups.member(session, project_id, person_id)


def _view(session: Session, member: models.Member) -> Member:
    return Member.of(member, lookups.person(session, member.person_id))


def _record(session: Session, action: str, member: models.Member, **details: object) -> None:
    names = {"project": member.project_id, "user": member.person_id}
    audit.record(session, action, "member", member.person_id, **names, **details)


def _check_role(role: str) -> None:
    if role not in PROJECT_ROLES:
        raise SettingsError(
            f"There is no role {role!r} in a project.",
            advice([role], PROJECT_ROLES, "The roles are"),
        )
