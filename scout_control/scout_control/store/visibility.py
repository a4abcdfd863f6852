"""Conditions that select what a person may do something to, made from the table of permissions.

The table stands once (``rules.permissions``); what a list shows, and what a name finds, are the
rows for which it allows the operation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import false, or_, select, true

from scout_control.rules.permissions import PROJECT_ROLES, TABLE, Relation, Role
from scout_control.store.models import (
    Credential,
    Dataset,
    Member,
    Person,
    Project,
    ProjectSource,
    Query,
    Source,
    Token,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import InstrumentedAttribute

    Column = InstrumentedAttribute[str] | InstrumentedAttribute[str | None]


@dataclass(frozen=True)
class Viewer:
    """Who looks, and what they are in the installation."""

    person_id: str
    roles: frozenset[Role]

    def relation(self, user_id: str | None) -> Relation:
        """Return whose something is that belongs to a user, or else to a project."""
        if user_id is None:
            return Relation.PROJECT
        return Relation.OWN if user_id == self.person_id else Relation.OTHER


def datasets(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for datasets, which are joined with their links; also for their runs."""
    return _owned(viewer, operation, ProjectSource.project_id, Dataset.user_id)


def credentials(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for credentials."""
    return _owned(viewer, operation, Credential.project_id, Credential.user_id)


def projects(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for projects."""
    return _is(viewer, _roles(operation, Relation.PROJECT), Project.id)


def links(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for links."""
    return _is(viewer, _roles(operation, Relation.PROJECT), ProjectSource.project_id)


def sources(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for sources: those that a project of the person uses, and others."""
    return sources_of_projects(viewer, operation) | installation(viewer, operation)


def sources_of_projects(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for sources that a project of the person uses."""
    is_seen = _is(viewer, _roles(operation, Relation.PROJECT), ProjectSource.project_id)
    used = select(ProjectSource.source_id).where(ProjectSource.is_active, is_seen)
    return Source.id.in_(used)


def members(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for members."""
    return _owned(viewer, operation, Member.project_id, Member.person_id)


def queries(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for queries, which are joined with the links of their datasets."""
    return _owned(viewer, operation, ProjectSource.project_id, Query.person_id)


def people(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for people."""
    return _of_person(viewer, operation, Person.id)


def tokens(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for tokens."""
    return _of_person(viewer, operation, Token.person_id)


def installation(viewer: Viewer, operation: str) -> ColumnElement[bool]:
    """Return the condition for objects of the installation, which is the same for all of them."""
    roles = _roles(operation, Relation.INSTALLATION)
    if not viewer.roles.isdisjoint(roles):
        return true()
    return _memberships(viewer, roles).exists() if _names(roles) else false()


def _of_person(
    viewer: Viewer, operation: str, owner: InstrumentedAttribute[str]
) -> ColumnElement[bool]:
    is_own = owner == viewer.person_id
    own, other = (_roles(operation, each) for each in (Relation.OWN, Relation.OTHER))
    return or_(
        is_own if not viewer.roles.isdisjoint(own) else false(),
        ~is_own if not viewer.roles.isdisjoint(other) else false(),
    )


def _owned(viewer: Viewer, operation: str, project: Column, owner: Column) -> ColumnElement[bool]:
    conditions = {
        Relation.PROJECT: owner.is_(None),
        Relation.OWN: owner == viewer.person_id,
        Relation.OTHER: owner != viewer.person_id,
    }
    return or_(
        *(
            condition & _is(viewer, _roles(operation, relation), project)
            for relation, condition in conditions.items()
        )
    )


def _is(viewer: Viewer, roles: Collection[Role], project: Column) -> ColumnElement[bool]:
    """Return whether the person has one of these roles, in a project or in the installation."""
    if not viewer.roles.isdisjoint(roles):
        return true()
    return project.in_(_memberships(viewer, roles)) if _names(roles) else false()


def _memberships(viewer: Viewer, roles: Collection[Role]) -> Select[tuple[str]]:
    return select(Member.project_id).where(
        Member.person_id == viewer.person_id, Member.role.in_(_names(roles))
    )


def _names(roles: Collection[Role]) -> list[str]:
    return [name for name, role in PROJECT_ROLES.items() if role in roles]


def _roles(operation: str, relation: Relation) -> frozenset[Role]:
    return TABLE[operation].audience.get(relation, frozenset())
