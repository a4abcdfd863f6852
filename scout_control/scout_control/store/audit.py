"""Who did what to what, and when."""

from __future__ import annotations

import getpass
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from scout_control.store.models import AuditEvent

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def record(session: Session, action: str, kind: str, subject: object, **details: Any) -> None:
    """Record an action in the transaction that it happens in; details never hold a secret."""
    session.add(
        AuditEvent(
            actor=actor(),
            action=action,
            subject_kind=kind,
            subject_id=str(subject),
            details=details,
        )
    )


def actor() -> str:
    """Return who acts: ``SCOUT_ACTOR``, as an embedding program sets it, else the account."""
    told = os.environ.get("SCOUT_ACTOR")
    if told:
        return told
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def latest(session: Session, limit: int) -> list[AuditEvent]:
    """Return the latest events, the newest first."""
    return list(session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit)))


def purge(session: Session, before: datetime) -> None:
    """Forget what happened before a moment."""
    session.execute(delete(AuditEvent).where(AuditEvent.at < before))
