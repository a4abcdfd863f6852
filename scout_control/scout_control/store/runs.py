"""Queries and status changes of runs; each change is one conditional UPDATE."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, delete, func, literal, not_, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from scout_control.rules import column_rules
from scout_control.rules.json_values import to_json_value
from scout_control.rules.statuses import (
    LIVE,
    WAITING,
    DatasetStatus,
    Phase,
    RunStatus,
    Trigger,
    run_predecessors,
)
from scout_control.store import datasets
from scout_control.store.models import Dataset, Run

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session


def queue(
    session: Session, dataset_id: uuid.UUID, trigger: str, *, full_refresh: bool = False
) -> None:
    """Queue a run for a dataset unless it has a live one."""
    session.execute(
        insert(Run)
        .values(dataset_id=dataset_id, trigger=trigger, is_full_refresh=full_refresh)
        .on_conflict_do_nothing()
    )


def queue_due(session: Session, now: datetime) -> list[uuid.UUID]:
    """Queue a run for each due dataset without a live run; return the runs in order.

    The unique index rejects second live runs. Excluding them in the query instead makes the planner
    guess, and a wrong guess costs seconds.
    """
    due = datasets.due(now).add_columns(literal(str(Trigger.SCHEDULE)))
    statement = (
        insert(Run)
        .from_select(["dataset_id", "trigger"], due, include_defaults=False)
        .on_conflict_do_nothing()
        .returning(Run.id)
    )
    return list(session.scalars(statement))


def alive(session: Session, dataset_id: uuid.UUID) -> Run | None:
    """Return the live run of a dataset."""
    return session.scalar(select(Run).where(Run.dataset_id == dataset_id, Run.status.in_(LIVE)))


def all_alive(session: Session, dataset_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Run]:
    """Return the live runs of datasets, by dataset."""
    statement = select(Run).where(Run.status.in_(LIVE), Run.dataset_id.in_(dataset_ids))
    return {run.dataset_id: run for run in session.scalars(statement)}


def last_ends(
    session: Session, dataset_ids: Collection[uuid.UUID]
) -> list[tuple[Dataset, datetime]]:
    """Return datasets that have data, each with the end of its latest run."""
    ended_at = (
        select(func.max(Run.completed_at)).where(Run.dataset_id == Dataset.id).scalar_subquery()
    )
    statement = select(Dataset, ended_at).where(
        Dataset.id.in_(dataset_ids), Dataset.last_sync_at.is_not(None), ended_at.is_not(None)
    )
    return [(dataset, end) for dataset, end in session.execute(statement)]


def claim(
    session: Session, run_id: uuid.UUID, worker: str, now: datetime, *, early: bool = False
) -> Run | None:
    """Claim a waiting run that is due, unless another worker has claimed it.

    Args:
        session: An open transaction.
        run_id: The run.
        worker: The worker that claims it.
        now: The current time.
        early: Also claim a paused run before its ``resume_at``.
    """
    is_due = or_(Run.resume_at.is_(None), Run.resume_at <= now)
    dataset_id = session.scalar(
        update(Run)
        .where(Run.id == run_id, Run.status.in_(WAITING), True if early else is_due)  # type: ignore[arg-type]  # SQLAlchemy takes a constant
        .values(
            status=RunStatus.RUNNING,
            phase=Phase.STARTED,
            worker=worker,
            attempt=Run.attempt + 1,
            started_at=func.coalesce(Run.started_at, now),
            heartbeat_at=now,
            resume_at=None,
            error_code=None,
            error_message=None,
            activity={},
            updated_at=now,
        )
        .returning(Run.dataset_id)
    )
    if dataset_id is None:
        return None
    session.execute(
        update(Dataset)
        .where(Dataset.id == dataset_id)
        .values(status=DatasetStatus.SYNCING, updated_at=now)
    )
    return session.get(Run, run_id, populate_existing=True)


def move(
    session: Session, run_id: uuid.UUID, target: RunStatus, holder: str | None = None, **values: Any
) -> bool:
    """Change the status of a run if that is allowed now; return whether it was.

    Args:
        session: An open transaction.
        run_id: The run.
        target: The new status.
        holder: Only if this worker holds the run.
        **values: Other columns to set.
    """
    conditions = [Run.id == run_id, Run.status.in_(run_predecessors(target))]
    if holder is not None:
        conditions.append(Run.worker == holder)
    moved = session.scalar(
        update(Run)
        .where(*conditions)
        .values(status=target, updated_at=func.now(), **values)
        .returning(Run.id)
    )
    return moved is not None


def explain_wait(session: Session, run_id: uuid.UUID, reason: str, until: datetime) -> None:
    """Store why a queued run is not started yet, for people who look at it."""
    session.execute(
        update(Run)
        .where(Run.id == run_id, Run.status == RunStatus.QUEUED)
        .values(activity=waiting_activity(reason, until), updated_at=Run.updated_at)
    )


def waiting_activity(reason: str, until: datetime | None = None) -> dict[str, Any]:
    """Return the ``activity`` of a run that waits; without a time, for a worker."""
    return {"wait": {"reason": reason} | ({"until": to_json_value(until)} if until else {})}


def waiting_for(session: Session, reason: str) -> Sequence[Run]:
    """Return the queued runs that wait for this reason until a time."""
    wait = Run.activity["wait"]
    statement = select(Run).where(
        Run.status == RunStatus.QUEUED,
        wait["reason"].astext == reason,
        wait["until"].astext.is_not(None),
    )
    return session.scalars(statement).all()


def waits_until(run: Run) -> datetime:
    """Return until when such a run waits."""
    return datetime.fromisoformat(run.activity["wait"]["until"])


def running(session: Session) -> Sequence[Run]:
    """Return the running runs."""
    return session.scalars(select(Run).where(Run.status == RunStatus.RUNNING)).all()


def waiting(session: Session, now: datetime, since: timedelta) -> Sequence[uuid.UUID]:
    """Return runs that have been startable for at least ``since`` but were not started."""
    ready_at = func.coalesce(Run.resume_at, Run.updated_at)
    return session.scalars(
        select(Run.id).where(Run.status.in_(WAITING), ready_at <= now - since).order_by(ready_at)
    ).all()


def latest(session: Session, limit: int, dataset_id: uuid.UUID | None = None) -> Sequence[Run]:
    """Return the latest runs, newest first: by when they were queued or, if later, started.

    Many runs are queued in one transaction, and have the same time until they start.
    """
    latest_at = func.greatest(Run.created_at, Run.started_at)  # ignores a null
    statement = select(Run).order_by(latest_at.desc(), Run.created_at.desc(), Run.id).limit(limit)
    if dataset_id is not None:
        statement = statement.where(Run.dataset_id == dataset_id)
    return session.scalars(statement).all()


def column_rules_known(
    session: Session, dataset_id: uuid.UUID, except_run: uuid.UUID | None = None
) -> dict[str, bool]:
    """Return which rules for columns had matched something when the last run ended.

    Nothing of the data before a drop: what rules of that time excluded is read again.
    """
    known = Run.result[column_rules.RESULT]
    statement = (
        select(case((_is_of_this_data(), known)))
        .join(Dataset, Dataset.id == Run.dataset_id)
        .where(Run.dataset_id == dataset_id, known.is_not(None))
        .order_by(Run.created_at.desc())
        .limit(1)
    )
    if except_run is not None:
        statement = statement.where(Run.id != except_run)
    return session.scalar(statement) or {}


def _is_of_this_data() -> ColumnElement[bool]:
    """Return the condition for a run that loaded data which its dataset has not dropped since."""
    has_loaded = Run.status.in_([RunStatus.COMPLETED, RunStatus.PARTIAL])
    return or_(Dataset.last_sync_at.is_not(None), not_(has_loaded))


def waiting_before(session: Session, run: Run) -> int:
    """Return how many runs have waited longer for a lane than a queued run."""
    statement = select(func.count()).where(
        Run.status == RunStatus.QUEUED, Run.created_at < run.created_at
    )
    return session.scalar(statement) or 0


def history(
    session: Session, dataset_ids: Sequence[uuid.UUID], limit: int
) -> dict[uuid.UUID, list[Run]]:
    """Return the latest runs of each dataset, oldest first."""
    place = func.row_number().over(partition_by=Run.dataset_id, order_by=Run.created_at.desc())
    numbered = (
        select(Run.id, place.label("place")).where(Run.dataset_id.in_(dataset_ids)).subquery()
    )
    statement = (
        select(Run)
        .join(numbered, numbered.c.id == Run.id)
        .where(numbered.c.place <= limit)
        .order_by(Run.created_at)
    )
    found: dict[uuid.UUID, list[Run]] = {}
    for run in session.scalars(statement):
        found.setdefault(run.dataset_id, []).append(run)
    return found


def purge(session: Session, ended_before: datetime) -> None:
    """Delete runs that ended before a time."""
    session.execute(delete(Run).where(Run.status.not_in(LIVE), Run.completed_at < ended_before))
