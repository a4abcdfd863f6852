"""Whether datasets are scheduled follows from whether their credential can be used."""

from __future__ import annotations

from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING

from sqlalchemy import and_, select, update

from scout_control.errors import FIRST_CONNECT
from scout_control.store import datasets
from scout_control.store.models import Dataset, ProjectSource

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from scout_control.credentials.records import Owner
    from scout_control.store.models import Source


def begin(session: Session, source: Source, owner: Owner) -> None:
    """Make datasets due that were not scheduled for lack of this credential."""
    conditions = _read_with(source, owner)
    if owner.user_id is not None:
        conditions.append(Dataset.agreed_at.is_not(None))
    session.execute(
        update(Dataset)
        .where(*conditions, Dataset.next_sync_at.is_(None), Dataset.status != "expired")
        .values(next_sync_at=datetime.now(UTC), sync_error=None)
    )


def end(session: Session, source: Source, owner: Owner) -> None:
    """Schedule no datasets that are read with this credential, which was deleted."""
    theirs = and_(*_read_with(source, owner))
    again = f"{FIRST_CONNECT} {quote(source.name)} {owner}"
    datasets.unschedule(session, theirs, f"The account was disconnected. {again}")


def _read_with(source: Source, owner: Owner) -> list[ColumnElement[bool]]:
    """Return the conditions of the datasets that are read with the credential of an owner."""
    links = select(ProjectSource.id).where(ProjectSource.source_id == source.id)
    if owner.project_id is not None:
        links = links.where(ProjectSource.project_id == owner.project_id)
    is_theirs = (
        Dataset.user_id.is_(None) if owner.user_id is None else (Dataset.user_id == owner.user_id)
    )
    return [Dataset.project_source_id.in_(links), is_theirs]
