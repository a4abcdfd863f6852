"""What belongs to an owner, and by what it is found again when its rows are removed already."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.rules.naming import query_role, reader_role, writer_role
from scout_control.store import audit
from scout_control.store.models import (
    SCHEMA,
    AuditEvent,
    AuditValue,
    Credential,
    Dataset,
    Project,
    ProjectSource,
    SourceMetadata,
)
from scout_control.store.singer_state import MELTANO_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from scout_control.credentials.records import Owner

BEGUN = "purge begun"
# An address or a UUID is found wherever it stands. Any other id may be another owner's too, of the
# other kind, or an ordinary number: it is found only where something says that it is an owner's id.
DISTINCT = re.compile(r"@|[0-9a-f]{8}-[0-9a-f]{4}-")
PLACES = (SCHEMA, MELTANO_SCHEMA)
"""The schemas of the store and of Meltano's state."""
MAKERS = ("created_by", "agreed_by")
IDS = {
    "user": {"user_id", "user", "owner_id", "actor", *MAKERS},
    "project": {"project_id", "project", "owner_id"},
}
NOT_BEFORE, NOT_AFTER = r"(?<![\w@./-])", r"(?![\w@/-]|\.\w)"


@dataclass(frozen=True, kw_only=True)
class Names:
    """By what an owner is looked for: their id if it is known, and names that control made."""

    kind: str
    id: str | None
    schemas: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    """Ids of datasets."""
    comments: tuple[str, ...] = ()
    """What comments say instead of the owner."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Return the roles that belong to the dataset schemas."""
        makers = (reader_role, writer_role, query_role)
        return tuple(make(schema) for schema in self.schemas for make in makers)

    @cached_property
    def made(self) -> tuple[str, ...]:
        """Return patterns of names and texts that control made, wherever they stand."""
        found = [re.escape(name) for name in (*self.schemas, *self.datasets, *self.comments)]
        if self.id is not None:
            # As older versions wrote it into comments; texts in rows and in JSON double quotes.
            comment = re.escape(json.dumps([self.kind, self.id])[:-1])
            found.append(comment.replace('"', r"[\\\"]+"))
        return tuple(found)

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """Return patterns of how texts, JSON and logs name the owner."""
        if self.id is None:
            return self.made
        name, kind = re.escape(self.id), self.kind
        paths = {
            "project": rf"{NOT_BEFORE}{name}/\w",
            "user": rf"\w/[^\s/\"']+/{name}{NOT_AFTER}",
        }
        found = [
            paths[kind],
            rf"--{kind} '?{name}{NOT_AFTER}",
            rf"{NOT_BEFORE}{kind}(_id)?\"?(=|: ?)[\"']?{name}{NOT_AFTER}",
        ]
        if DISTINCT.search(self.id):
            found.append(f"{NOT_BEFORE}{name}{NOT_AFTER}")
        return (*self.made, *found)

    @property
    def columns(self) -> set[str]:
        """Return the columns that hold an id and nothing else."""
        return IDS[self.kind]

    @property
    def parameters(self) -> dict[str, Any]:
        """Return all of this as parameters of statements."""
        return {
            "patterns": list(self.patterns),
            "made": list(self.made),
            "roles": list(self.roles),
            "id": self.id,
            "ids": sorted({*self.columns, audit.SUBJECT}),
            "places": list(PLACES),
        }

    @property
    def traces(self) -> audit.Traces:
        """Return by what the audit trail finds them."""
        return audit.Traces(schemas=self.schemas, patterns=self.patterns)


def names(session: Session, owner: Owner) -> Names:
    """Return by what an owner is found, from what is there and from earlier tries to remove it."""
    kind, id_ = kind_of(owner)
    found = [(str(each.id), each.schema_name, each.owner) for each in datasets(session, owner)]
    found += _begun(session, kind, id_)
    return Names(
        kind=kind,
        id=id_,
        datasets=tuple(sorted({each[0] for each in found})),
        schemas=tuple(sorted({each[1] for each in found})),
        comments=tuple(sorted({each[2] for each in found})),
    )


def kind_of(owner: Owner) -> tuple[str, str]:
    """Return ``user`` or ``project``, and their id."""
    if owner.user_id is not None:
        return "user", owner.user_id
    return "project", owner.project_id or ""


def datasets(session: Session, owner: Owner) -> Sequence[Dataset]:
    """Return a user's datasets in every project, or all datasets in a project."""
    mine: ColumnElement[bool] = (
        Dataset.user_id == owner.user_id
        if owner.user_id is not None
        else ProjectSource.project_id == owner.project_id
    )
    statement = select(Dataset).join(Dataset.project_source).where(mine)
    return session.scalars(statement.order_by(Dataset.schema_name)).all()


def credentials(session: Session, owner: Owner) -> Sequence[Credential]:
    """Return the logins of an owner."""
    return session.scalars(select(Credential).where(_mine(Credential, owner))).all()


def metadata(session: Session, owner: Owner) -> Sequence[SourceMetadata]:
    """Return what discovery found for an owner."""
    return session.scalars(select(SourceMetadata).where(_mine(SourceMetadata, owner))).all()


def links(session: Session, owner: Owner) -> Sequence[ProjectSource]:
    """Return the links of a project; a user has none."""
    if owner.project_id is None:
        return ()
    return session.scalars(
        select(ProjectSource).where(ProjectSource.project_id == owner.project_id)
    ).all()


def project(session: Session, owner: Owner) -> Project | None:
    """Return the project itself."""
    return session.get(Project, owner.project_id) if owner.project_id is not None else None


def _mine(table: type[Credential | SourceMetadata], owner: Owner) -> ColumnElement[bool]:
    if owner.user_id is not None:
        return table.user_id == owner.user_id
    return table.project_id == owner.project_id


def _begun(session: Session, kind: str, owner: str) -> list[tuple[str, str, str]]:
    """Return ids, schemas and comments of datasets of which the removal was begun."""
    mine = (
        select(AuditValue.event_id)
        .join(AuditEvent, AuditEvent.id == AuditValue.event_id)
        .where(
            AuditEvent.action == BEGUN,
            AuditValue.name == kind,
            AuditValue.value == owner[: audit.LONGEST_NAME],
        )
    )
    told: dict[int, dict[str, str]] = {}
    for value in session.scalars(select(AuditValue).where(AuditValue.event_id.in_(mine))):
        told.setdefault(value.event_id, {})[value.name] = value.value
    return [
        (each[audit.SUBJECT], each["dataset"], json.loads(each[audit.DETAILS])["comment"])
        for each in told.values()
        if {audit.SUBJECT, "dataset", audit.DETAILS} <= set(each)
    ]
