"""Who did what to what, and when: recorded, found, kept for as long as told.

What an event says of a person, an owner or a dataset is kept apart from the event, which holds
salted digests of it: so it can be erased, and ``audit_chain`` still shows whether anything was
changed, removed or put in. The database makes the chain; nothing here can leave it out.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, select
from sqlalchemy import text as sql
from sqlalchemy.orm import aliased, selectinload

from scout_control.errors import (
    ControlError,
    CredentialMissingError,
    CredentialRefusedError,
    OwnershipError,
)
from scout_control.rules.json_values import plain
from scout_control.store.models import AuditEvent, AuditLink, AuditValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from scout_control.store.database import Store
    from scout_control.store.models import Base, Dataset, Source

ACTOR, SUBJECT, DETAILS = "actor", "subject", "details"
NAMED = ("project", "user", "dataset", "source", "run")
"""Details by which events are found; the others are one JSON object."""
RETENTION, ERASURE = "audit retention", "audit erasure"
LONGEST_NAME = 500
CHANGED = "changed"
"""All that is recorded of a secret."""
DOOMED = sql("""
    WITH mine AS (
        SELECT event_id FROM scout_control.audit_values
         WHERE name = :kind AND value = :owner OR name = 'dataset' AND value = ANY(:schemas)
    )
    SELECT name, range_agg(int8range(event_id, event_id, '[]'))::text, count(*)
      FROM scout_control.audit_values
     WHERE event_id IN (SELECT event_id FROM mine) AND name <> ALL(:kept)
        OR name = ANY(:names) AND value = :owner
        OR value ~ ANY(:patterns)
     GROUP BY name
""")
REFUSALS = (OwnershipError, CredentialRefusedError, CredentialMissingError)


def record(session: Session, action: str, kind: str, subject: object, /, **details: Any) -> None:
    """Record an action in the transaction that it happens in; details never hold a secret."""
    told = {ACTOR: actor(), SUBJECT: str(subject)[:LONGEST_NAME]}
    told |= {
        name: str(value)[:LONGEST_NAME]
        for name in NAMED
        if (value := details.pop(name, None)) is not None
    }
    if details:
        told[DETAILS] = json.dumps(plain(details), sort_keys=True, ensure_ascii=False)
    _add(session, action, kind, told)


def of_dataset(dataset: Dataset) -> dict[str, str | None]:
    """Return by what an event about a dataset is found."""
    link = dataset.project_source
    return {
        "project": link.project_id,
        "user": dataset.user_id,
        "dataset": dataset.schema_name,
        "source": link.source.name,
    }


def of_owner(source: Source, project: str | None, user: str | None) -> dict[str, str | None]:
    """Return by what an event about an owner at a source is found."""
    return {"project": project, "user": user, "source": source.name}


def changes(row: Base) -> dict[str, list[Any]]:
    """Return the old and new values of what a row is about to change, before it is flushed.

    Ciphertexts are only said to be changed.
    """
    state = inspect(row)
    found: dict[str, list[Any]] = {}
    for column in state.mapper.column_attrs:
        history = state.attrs[column.key].history
        if history.has_changes():
            old = history.deleted[0] if history.deleted else None
            new = history.added[0] if history.added else None
            found[column.key] = [_shown(old), _shown(new)]
    return found


@contextmanager
def refusals(store: Store, kind: str, subject: object, **details: Any) -> Iterator[None]:
    """Record what is refused because of whose it is, or for want of an accepted login."""
    try:
        yield
    except REFUSALS as error:
        with suppress(ControlError), store.begin() as session:
            record(session, "refused", kind, subject, reason=error.cause, **details)
        raise


def actor() -> str:
    """Return who acts: ``SCOUT_ACTOR``, as an embedding program sets it, else the account."""
    told = os.environ.get("SCOUT_ACTOR")
    if told:
        return told[:LONGEST_NAME]
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@dataclass(frozen=True, kw_only=True)
class Traces:
    """By what an owner is found besides their id."""

    schemas: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    """Regular expressions that Postgres and Python read alike."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events are looked for; what is left out does not matter."""

    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    named: Mapping[str, str | None] | None = None
    """Values by name, as ``actor`` or ``dataset``."""


def latest(session: Session, wanted: Wanted, limit: int) -> list[tuple[int | None, AuditEvent]]:
    """Return the latest events and their positions in the chain, the newest first.

    One that is being recorded just now has no position yet.
    """
    statement = (
        select(AuditLink.position, AuditEvent)
        .outerjoin(AuditLink, AuditLink.event_id == AuditEvent.id)
        .options(selectinload(AuditEvent.values))
        .order_by(AuditEvent.id.desc())
        .limit(limit)
    )
    if wanted.since is not None:
        statement = statement.where(AuditEvent.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(AuditEvent.at < wanted.until)
    if wanted.action is not None:
        statement = statement.where(AuditEvent.action == wanted.action)
    for name, value in (wanted.named or {}).items():
        if value is not None:
            statement = _saying(statement, name, value)
    return [(position, event) for position, event in session.execute(statement)]


def retain(session: Session, since: datetime) -> bool:
    """Remove events from before a moment, and record that; return whether there were any.

    The database removes them when the retention is recorded, and never what is younger than 30
    days. Once a day is enough: each time leaves an event.
    """
    oldest = session.execute(
        select(AuditEvent.id, AuditEvent.at)
        .join(AuditLink, AuditLink.event_id == AuditEvent.id)
        .order_by(AuditLink.position)
        .limit(1)
    ).first()
    if oldest is None or oldest.at >= since:
        return False
    _add(session, RETENTION, "audit", {ACTOR: actor()}, before=since.isoformat())
    session.flush()
    return True


def erase(session: Session, kind: str, owner: str, traces: Traces) -> int:
    """Erase what events say of an owner, and record which; return how many values that were.

    Args:
        session: An open transaction.
        kind: ``user`` or ``project``.
        owner: Their id.
        traces: What else tells of them.
    """
    found = session.execute(
        DOOMED,
        {
            "kind": kind,
            "owner": owner[:LONGEST_NAME],
            "kept": [ACTOR, "source", *(["project"] if kind == "user" else [])],
            "names": [SUBJECT, kind, *([ACTOR] if kind == "user" else [])],
            "schemas": list(traces.schemas),
            "patterns": list(traces.patterns),
        },
    ).all()
    if found:
        erased = {name: ids for name, ids, _ in found}
        _add(session, ERASURE, "audit", {ACTOR: actor()}, erased=erased)
        session.flush()
    return sum(count for _, _, count in found)


def _add(session: Session, action: str, kind: str, told: Mapping[str, str], **facts: Any) -> None:
    values = [_value(name, text) for name, text in told.items()]
    session.add(
        AuditEvent(
            action=action,
            subject_kind=kind,
            facts=facts,
            digests={each.name: _digest(each.salt, each.value) for each in values},
            values=values,
        )
    )


def _saying(statement: Select[Any], name: str, value: str) -> Select[Any]:
    told = aliased(AuditValue)
    return statement.join(told, told.event_id == AuditEvent.id).where(
        told.name == name, told.name != DETAILS, told.value == value[:LONGEST_NAME]
    )


def _value(name: str, text: str) -> AuditValue:
    clean = text.replace("\0", "").encode(errors="replace").decode()
    return AuditValue(name=name, salt=secrets.token_bytes(16), value=clean)


def _digest(salt: bytes, value: str) -> str:
    return hashlib.sha256(salt + value.encode()).hexdigest()


def _shown(value: Any) -> Any:
    return CHANGED if isinstance(value, bytes) else plain(value)
