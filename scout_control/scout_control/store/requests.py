"""The history of queries, and the keys of repeated requests: both are bounded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from scout_control.store.models import IdempotencyKey, Query

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.orm import Session

HISTORY_RETENTION = timedelta(days=30)
MOST_QUERIES_OF_PERSON = 1000
KEY_RETENTION = timedelta(hours=24)
MOST_KEYS_OF_PERSON = 1000


def add_query(session: Session, query: Query) -> None:
    """Store a query; the oldest ones of the same person make place."""
    session.add(query)
    session.flush()
    place = select(Query.id).where(Query.person_id == query.person_id)
    beyond = place.order_by(Query.at.desc(), Query.id.desc()).offset(MOST_QUERIES_OF_PERSON)
    session.execute(delete(Query).where(Query.id.in_(beyond)))


def find_key(
    session: Session, person_id: str, key: str, now: datetime
) -> tuple[bytes, uuid.UUID] | None:
    """Return the digest and the run of a request with this key that has not expired."""
    found = session.get(IdempotencyKey, (person_id, key))
    if found is None or found.created_at < now - KEY_RETENTION:
        return None
    return found.digest, found.run_id


def add_key(session: Session, person_id: str, key: str, digest: bytes, run_id: uuid.UUID) -> None:
    """Store a key, in place of an expired one; the oldest ones of the person make place."""
    theirs = IdempotencyKey.person_id == person_id
    session.execute(delete(IdempotencyKey).where(theirs, IdempotencyKey.key == key))
    session.add(IdempotencyKey(person_id=person_id, key=key, digest=digest, run_id=run_id))
    session.flush()
    newest = select(IdempotencyKey.key).where(theirs).order_by(IdempotencyKey.created_at.desc())
    beyond = newest.offset(MOST_KEYS_OF_PERSON)
    session.execute(delete(IdempotencyKey).where(theirs, IdempotencyKey.key.in_(beyond)))


def purge(session: Session, now: datetime) -> None:
    """Delete what is older than it is kept."""
    session.execute(delete(Query).where(Query.at < now - HISTORY_RETENTION))
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEY_RETENTION))
