"""The audit trail: records, finds, expires and erases events.

Personal and owner-related values are stored apart from their event, which holds salted digests of
them. So they can be erased, while ``audit_chain`` still reveals any other change, removal or
insertion. The database extends the chain by triggers, which this code cannot bypass.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import secrets
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import inspect, select
from sqlalchemy import text as sql
from sqlalchemy.orm import aliased, selectinload

from scout_control.errors import (
    ControlError,
    CredentialMissingError,
    CredentialRefusedError,
    OwnershipError,
)
from scout_control.rules.json_values import to_json_value, to_storable_text
from scout_control.rules.refusal_limit import RecordLimit
from scout_control.store.models import AuditEvent, AuditLink, AuditValue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from scout_control.store.database import Store
    from scout_control.store.models import Base, Dataset, Source

ACTOR, SUBJECT, DETAILS = "actor", "subject", "details"
NAMED = ("project", "user", "dataset", "source", "run")
"""Details by which events can be searched; all others form one JSON object."""
RETENTION, ERASED = "audit retention", "audit erasure"
MAX_NAME = 500
CHANGED = "changed"
"""Recorded in place of a secret's old and new value."""
VALUES_TO_ERASE = sql("""
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
_person: ContextVar[str | None] = ContextVar("person", default=None)
"""Who is signed in, in a process that acts for several people."""
_refusals: WeakKeyDictionary[Store, RecordLimit] = WeakKeyDictionary()
REFUSALS = (OwnershipError, CredentialRefusedError, CredentialMissingError)


def record(session: Session, action: str, kind: str, subject: object, /, **details: Any) -> None:
    """Record an action in the current transaction; details must not hold a secret."""
    values = {ACTOR: actor(), SUBJECT: str(subject)[:MAX_NAME]}
    values |= {
        name: str(value)[:MAX_NAME]
        for name in NAMED
        if (value := details.pop(name, None)) is not None
    }
    if details:
        values[DETAILS] = json.dumps(to_json_value(details), sort_keys=True, ensure_ascii=False)
    _add(session, action, kind, values)


def of_dataset(dataset: Dataset) -> dict[str, str | None]:
    """Return the searchable details of an event about a dataset."""
    link = dataset.project_source
    return {
        "project": link.project_id,
        "user": dataset.user_id,
        "dataset": dataset.schema_name,
        "source": link.source.name,
    }


def of_owner(source: Source, project: str | None, user: str | None) -> dict[str, str | None]:
    """Return the searchable details of an event about an owner at a source."""
    return {"project": project, "user": user, "source": source.name}


def changes(row: Base, *, personal: Collection[str] = ()) -> dict[str, list[Any]]:
    """Return old and new values of the pending changes of a row, before they are flushed.

    Ciphertexts, and the values of ``personal`` columns, are replaced by ``CHANGED``.
    """
    state = inspect(row)
    changed: dict[str, list[Any]] = {}
    for column in state.mapper.column_attrs:
        history = state.attrs[column.key].history
        if history.has_changes():
            old = history.deleted[0] if history.deleted else None
            new = history.added[0] if history.added else None
            is_personal = column.key in personal
            changed[column.key] = [_redacted(each, is_personal=is_personal) for each in (old, new)]
    return changed


@contextmanager
def recording_refusals(store: Store, kind: str, subject: object, **details: Any) -> Iterator[None]:
    """Record errors about ownership or credentials that occur in this context."""
    try:
        yield
    except REFUSALS as error:
        with suppress(ControlError):
            record_refusal(store, kind, subject, reason=error.cause, **details)
        raise


def record_refusal(store: Store, kind: str, subject: object, /, **details: Any) -> None:
    """Record that something was refused, in its own transaction.

    Of many within an hour, one a minute is recorded, with how many were left out before it.
    """
    left_out = _refusals.setdefault(store, RecordLimit(time.monotonic)).admit(actor())
    if left_out is None:
        return
    if left_out:
        details["not_recorded"] = left_out
    with store.begin() as session:
        record(session, "refused", kind, subject, **details)


@contextmanager
def acting_as(person: str) -> Iterator[None]:
    """Let a person be the actor of all events of this context."""
    token = _person.set(person)
    try:
        yield
    finally:
        _person.reset(token)


def actor() -> str:
    """Return who acts: the person who is signed in, else ``SCOUT_ACTOR``, else the account.

    Embedding programs set ``SCOUT_ACTOR``; the account is that of the operating system.
    """
    name = _person.get() or os.environ.get("SCOUT_ACTOR")
    if name:
        return name[:MAX_NAME]
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@dataclass(frozen=True, kw_only=True)
class OwnerTraces:
    """Terms that identify an owner, in addition to the id."""

    schemas: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    """Regular expressions that mean the same in Postgres and Python."""


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Conditions for events; None matches all."""

    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    named: Mapping[str, str | None] | None = None
    """Searchable values by name, such as ``actor`` or ``dataset``."""
    before: int | None = None
    """Events at earlier positions of the chain, in the order of these."""


def latest(
    session: Session, filter_: EventFilter, limit: int
) -> list[tuple[int | None, AuditEvent]]:
    """Return the latest events and their positions in the chain, newest first.

    An event of the current transaction has no position yet.
    """
    statement = (
        select(AuditLink.position, AuditEvent)
        .outerjoin(AuditLink, AuditLink.event_id == AuditEvent.id)
        .options(selectinload(AuditEvent.values))
        .order_by(AuditEvent.id.desc())
        .limit(limit)
    )
    if filter_.before is not None:
        earlier = AuditLink.position < filter_.before
        statement = statement.where(earlier).order_by(None).order_by(AuditLink.position.desc())
    if filter_.since is not None:
        statement = statement.where(AuditEvent.at >= filter_.since)
    if filter_.until is not None:
        statement = statement.where(AuditEvent.at < filter_.until)
    if filter_.action is not None:
        statement = statement.where(AuditEvent.action == filter_.action)
    for name, value in (filter_.named or {}).items():
        if value is not None:
            statement = _having_value(statement, name, value)
    return [(position, event) for position, event in session.execute(statement)]


def retain(session: Session, since: datetime) -> bool:
    """Remove events from before a time; return whether there were any.

    A trigger removes them when the retention event is recorded, and spares the last 30 days. Call
    it about once a day, since each call that removes something adds an event.
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


def erase(session: Session, kind: str, owner: str, traces: OwnerTraces) -> int:
    """Erase values that identify an owner, and record which; return how many.

    Args:
        session: An open transaction.
        kind: ``user`` or ``project``.
        owner: The owner's id.
        traces: What else identifies the owner.
    """
    rows = session.execute(
        VALUES_TO_ERASE,
        {
            "kind": kind,
            "owner": owner[:MAX_NAME],
            "kept": [ACTOR, "source", *(["project"] if kind == "user" else [])],
            "names": [SUBJECT, kind, *([ACTOR] if kind == "user" else [])],
            "schemas": list(traces.schemas),
            "patterns": list(traces.patterns),
        },
    ).all()
    if rows:
        erased = {name: ids for name, ids, _ in rows}
        _add(session, ERASED, "audit", {ACTOR: actor()}, erased=erased)
        session.flush()
    return sum(count for _, _, count in rows)


def _add(session: Session, action: str, kind: str, values: Mapping[str, str], **facts: Any) -> None:
    rows = [_value(name, text) for name, text in values.items()]
    session.add(
        AuditEvent(
            action=action,
            subject_kind=kind,
            facts=facts,
            digests={each.name: _digest(each.salt, each.value) for each in rows},
            values=rows,
        )
    )


def _having_value(statement: Select[Any], name: str, value: str) -> Select[Any]:
    joined = aliased(AuditValue)
    return statement.join(joined, joined.event_id == AuditEvent.id).where(
        joined.name == name, joined.name != DETAILS, joined.value == value[:MAX_NAME]
    )


def _value(name: str, text: str) -> AuditValue:
    return AuditValue(name=name, salt=secrets.token_bytes(16), value=to_storable_text(text))


def _digest(salt: bytes, value: str) -> str:
    return hashlib.sha256(salt + value.encode()).hexdigest()


def _redacted(value: Any, *, is_personal: bool) -> Any:
    is_secret = isinstance(value, bytes) or (is_personal and value is not None)
    return CHANGED if is_secret else to_json_value(value)
