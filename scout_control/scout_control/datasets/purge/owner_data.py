"""Finds an owner's rows in the store, and terms that identify the owner everywhere else.

An interrupted purge may already have deleted some of those rows. Search terms are therefore also
derived from the audit events of earlier purges.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.rules.naming import roles_of
from scout_control.store import audit
from scout_control.store.models import (
    SCHEMA,
    AuditEvent,
    AuditValue,
    Credential,
    Dataset,
    Member,
    Person,
    Project,
    ProjectSource,
    SourceMetadata,
    Token,
)
from scout_control.store.owners import belongs_to, dataset_of
from scout_control.store.singer_state import MELTANO_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from scout_control.credentials.records import Owner

PURGE_BEGUN = "purge begun"
# An e-mail address or a UUID identifies the owner wherever it occurs. Any other id may also be the
# id of a project instead of a user, or just a number: it matches only where the surrounding text
# shows what it is, as in `--user 42`.
DISTINCTIVE_ID = re.compile(r"@|[0-9a-f]{8}-[0-9a-f]{4}-")
STORE_SCHEMAS = (SCHEMA, MELTANO_SCHEMA)
"""The schemas of the store and of Meltano's state."""
CREATOR_COLUMNS = ("created_by", "agreed_by")
ID_FIELDS = {
    "user": {"user_id", "user", "person_id", "owner_id", "actor", *CREATOR_COLUMNS},
    "project": {"project_id", "project", "owner_id"},
}
NOT_BEFORE, NOT_AFTER = r"(?<![\w@./-])", r"(?![\w@/-]|\.\w)"


@dataclass(frozen=True, kw_only=True)
class SearchTerms:
    """The terms that identify an owner: the id, if known, and the names that control generated."""

    kind: str
    id: str | None
    schemas: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    """Dataset ids."""
    comments: tuple[str, ...] = ()
    """Comments that control puts on the schemas and roles of the owner."""
    addresses: tuple[str, ...] = ()
    """E-mail addresses; not in the receipt."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the dataset schemas."""
        return tuple(role for schema in self.schemas for role in roles_of(schema))

    @cached_property
    def generated(self) -> tuple[str, ...]:
        """Patterns for the names and comments that control generated; they match anywhere."""
        patterns = [re.escape(name) for name in (*self.schemas, *self.datasets, *self.comments)]
        if self.id is not None:
            # The comment format of older versions; quotes may be escaped in rows and in JSON.
            comment = re.escape(json.dumps([self.kind, self.id])[:-1])
            patterns.append(comment.replace('"', r"[\\\"]+"))
        return tuple(patterns)

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """Patterns that find the owner in text, JSON and logs."""
        if self.id is None:
            return self.generated
        addresses = [f"{NOT_BEFORE}{re.escape(each)}{NOT_AFTER}" for each in self.addresses]
        name, kind = re.escape(self.id), self.kind
        paths = {
            "project": rf"{NOT_BEFORE}{name}/\w",
            "user": rf"\w/[^\s/\"']+/{name}{NOT_AFTER}",
        }
        patterns = [
            paths[kind],
            rf"--{kind} '?{name}{NOT_AFTER}",
            rf"{NOT_BEFORE}{kind}(_id)?\"?(=|: ?)[\"']?{name}{NOT_AFTER}",
        ]
        if DISTINCTIVE_ID.search(self.id):
            patterns.append(f"{NOT_BEFORE}{name}{NOT_AFTER}")
        return (*self.generated, *patterns, *addresses)

    @property
    def columns(self) -> set[str]:
        """Names of columns that contain an owner's id and nothing else."""
        return ID_FIELDS[self.kind]

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the search statements."""
        return {
            "patterns": list(self.patterns),
            "generated": list(self.generated),
            "roles": list(self.roles),
            "id": self.id,
            "ids": sorted({*self.columns, audit.SUBJECT}),
            "schemas": list(STORE_SCHEMAS),
        }

    @property
    def traces(self) -> audit.OwnerTraces:
        """The terms by which the audit trail finds the owner."""
        return audit.OwnerTraces(schemas=self.schemas, patterns=self.patterns)


def search_terms(session: Session, owner: Owner) -> SearchTerms:
    """Return the terms that identify an owner, including those of interrupted purges."""
    kind, id_ = kind_and_id(owner)
    known = [(str(each.id), each.schema_name, each.owner) for each in datasets(session, owner)]
    known += _datasets_of_begun_purges(session, kind, id_)
    found = person(session, owner)
    return SearchTerms(
        kind=kind,
        id=id_,
        addresses=(found.email,) if found is not None and found.email else (),
        datasets=tuple(sorted({each[0] for each in known})),
        schemas=tuple(sorted({each[1] for each in known})),
        comments=tuple(sorted({each[2] for each in known})),
    )


def kind_and_id(owner: Owner) -> tuple[str, str]:
    """Return ``user`` or ``project``, and the id."""
    if owner.user_id is not None:
        return "user", owner.user_id
    return "project", owner.project_id or ""


def datasets(session: Session, owner: Owner) -> Sequence[Dataset]:
    """Return a user's datasets in every project, or all datasets in a project."""
    is_owned = (
        dataset_of(owner.user_id)
        if owner.user_id is not None
        else ProjectSource.project_id == owner.project_id
    )
    statement = select(Dataset).join(Dataset.project_source).where(is_owned)
    return session.scalars(statement.order_by(Dataset.schema_name)).all()


def credentials(session: Session, owner: Owner) -> Sequence[Credential]:
    """Return the credentials of an owner."""
    return session.scalars(
        select(Credential).where(belongs_to(Credential, owner.project_id, owner.user_id))
    ).all()


def metadata(session: Session, owner: Owner) -> Sequence[SourceMetadata]:
    """Return the source metadata of an owner."""
    return session.scalars(
        select(SourceMetadata).where(belongs_to(SourceMetadata, owner.project_id, owner.user_id))
    ).all()


def links(session: Session, owner: Owner) -> Sequence[ProjectSource]:
    """Return the links of a project; users have none."""
    if owner.project_id is None:
        return ()
    return session.scalars(
        select(ProjectSource).where(ProjectSource.project_id == owner.project_id)
    ).all()


def person(session: Session, owner: Owner) -> Person | None:
    """Return who signs in as the user."""
    return session.get(Person, owner.user_id) if owner.user_id is not None else None


def members(session: Session, owner: Owner) -> Sequence[Member]:
    """Return the memberships of a user, or those in a project."""
    is_theirs = (
        Member.person_id == owner.user_id
        if owner.user_id is not None
        else Member.project_id == owner.project_id
    )
    return session.scalars(select(Member).where(is_theirs)).all()


def tokens(session: Session, owner: Owner) -> Sequence[Token]:
    """Return the tokens of a user; projects have none."""
    if owner.user_id is None:
        return ()
    return session.scalars(select(Token).where(Token.person_id == owner.user_id)).all()


def project(session: Session, owner: Owner) -> Project | None:
    """Return the project itself."""
    return session.get(Project, owner.project_id) if owner.project_id is not None else None


def _datasets_of_begun_purges(
    session: Session, kind: str, owner: str
) -> list[tuple[str, str, str]]:
    """Return id, schema and comment of each dataset that a started purge recorded."""
    events = (
        select(AuditValue.event_id)
        .join(AuditEvent, AuditEvent.id == AuditValue.event_id)
        .where(
            AuditEvent.action == PURGE_BEGUN,
            AuditValue.name == kind,
            AuditValue.value == owner[: audit.MAX_NAME],
        )
    )
    by_event: dict[int, dict[str, str]] = {}
    for value in session.scalars(select(AuditValue).where(AuditValue.event_id.in_(events))):
        by_event.setdefault(value.event_id, {})[value.name] = value.value
    return [
        (each[audit.SUBJECT], each["dataset"], json.loads(each[audit.DETAILS])["comment"])
        for each in by_event.values()
        if {audit.SUBJECT, "dataset", audit.DETAILS} <= set(each)
    ]
