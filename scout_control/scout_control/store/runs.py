"""Moves runs, each move one statement that names the statuses it may start from."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from scout_control.rules.statuses import LIVE, WAITING, DatasetStatus, RunStatus, Trigger, before
from scout_control.store import datasets
from scout_control.store.models import Dataset, Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


def queue(
    session: Session, dataset_id: uuid.UUID, trigger: str, *, full_refresh: bool = False
) -> None:
    """Queue a run for a dataset, unless it has one alive."""
    session.execute(
        insert(Run)
        .values(dataset_id=dataset_id, trigger=trigger, is_full_refresh=full_refresh)
        .on_conflict_do_nothing()
    )


def queue_due(session: Session, now: datetime) -> list[uuid.UUID]:
    """Queue a run for each dataset that is due and has none alive; return them, in their order.

    Who has one alive is left to the index that allows no second: looking for them first makes the
    planner guess, and a wrong guess costs seconds.
    """
    found = datasets.due(now).add_columns(literal(str(Trigger.SCHEDULE)))
    statement = (
        insert(Run)
        .from_select(["dataset_id", "trigger"], found, include_defaults=False)
        .on_conflict_do_nothing()
        .returning(Run.id)
    )
    return list(session.scalars(statement))


def alive(session: Session, dataset_id: uuid.UUID) -> Run | None:
    """Return the run of a dataset that has not ended."""
    return session.scalar(select(Run).where(Run.dataset_id == dataset_id, Run.status.in_(LIVE)))


def all_alive(session: Session, dataset_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Run]:
    """Return the runs of datasets that have not ended, by dataset."""
    statement = select(Run).where(Run.status.in_(LIVE), Run.dataset_id.in_(dataset_ids))
    return {run.dataset_id: run for run in session.scalars(statement)}


def claim(
    session: Session, run_id: uuid.UUID, worker: str, now: datetime, *, early: bool = False
) -> Run | None:
    """Take a waiting run whose time has come, if nobody was quicker.

    Args:
        session: An open transaction.
        run_id: The run.
        worker: Who takes it.
        now: The time.
        early: Take a paused run before its time, too.
    """
    time_has_come = or_(Run.resume_at.is_(None), Run.resume_at <= now)
    moved = session.scalar(
        update(Run)
        .where(Run.id == run_id, Run.status.in_(WAITING), True if early else time_has_come)  # type: ignore[arg-type]  # SQLAlchemy takes a constant
        .values(
            status=RunStatus.RUNNING,
            phase="started",
            worker=worker,
            attempt=Run.attempt + 1,
            started_at=func.coalesce(Run.started_at, now),
            heartbeat_at=now,
            resume_at=None,
            error_code=None,
            error_message=None,
            updated_at=now,
        )
        .returning(Run.dataset_id)
    )
    if moved is None:
        return None
    session.execute(
        update(Dataset)
        .where(Dataset.id == moved)
        .values(status=DatasetStatus.SYNCING, updated_at=now)
    )
    return session.get(Run, run_id, populate_existing=True)


def move(
    session: Session, run_id: uuid.UUID, then: RunStatus, holder: str | None = None, **values: Any
) -> bool:
    """Move a run, unless it has moved meanwhile; tell whether it did.

    Args:
        session: An open transaction.
        run_id: The run.
        then: The status to come.
        holder: Only while this worker has it.
        **values: Columns that change with it.
    """
    conditions = [Run.id == run_id, Run.status.in_(before(then))]
    if holder is not None:
        conditions.append(Run.worker == holder)
    moved = session.scalar(
        update(Run)
        .where(*conditions)
        .values(status=then, updated_at=func.now(), **values)
        .returning(Run.id)
    )
    return moved is not None


def dead(session: Session, silent_since: datetime) -> Sequence[Run]:
    """Return running runs without a sign of life since a moment."""
    return session.scalars(
        select(Run).where(Run.status == RunStatus.RUNNING, Run.heartbeat_at < silent_since)
    ).all()


def waiting(session: Session, now: datetime, since: timedelta) -> Sequence[uuid.UUID]:
    """Return the ids of runs that could have been started for a while, and were not."""
    ready_at = func.coalesce(Run.resume_at, Run.updated_at)
    return session.scalars(
        select(Run.id).where(Run.status.in_(WAITING), ready_at <= now - since).order_by(ready_at)
    ).all()


def latest(session: Session, limit: int, dataset_id: uuid.UUID | None = None) -> Sequence[Run]:
    """Return the latest runs, the newest first."""
    statement = select(Run).order_by(Run.created_at.desc(), Run.id).limit(limit)
    if dataset_id is not None:
        statement = statement.where(Run.dataset_id == dataset_id)
    return session.scalars(statement).all()


def purge(session: Session, ended_before: datetime) -> None:
    """Forget runs that ended before a moment."""
    session.execute(delete(Run).where(Run.status.not_in(LIVE), Run.completed_at < ended_before))
