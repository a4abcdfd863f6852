"""Cancels runs by their status in the store, which the executing worker watches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import update

from scout_control.errors import ConflictError
from scout_control.rules import schedule, statuses
from scout_control.rules.column_rules import RESULT, SO_FAR
from scout_control.rules.statuses import ON_REQUEST, STAGE_SECONDS, WAITING, Phase, RunStatus
from scout_control.store import audit, datasets, lookups, runs
from scout_control.store.models import Dataset

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.orm import Session

    from scout_control.store.database import Store
    from scout_control.store.models import Run


def cancel(store: Store, run_id: str, reason: str = ON_REQUEST) -> Run:
    """Cancel a run; the worker that executes it notices and ends it.

    Args:
        store: The store.
        run_id: The id of the run or its beginning, or a dataset for its latest run.
        reason: What is shown with the run.

    Raises:
        NotFoundError: No such run exists.
        ConflictError: The run has ended.
    """
    with store.begin() as session:
        run = lookups.run(session, run_id)
        if not _cancel(session, run, reason):
            raise ConflictError(
                f"Run {run.id} is not in progress (status: {run.status}).", "Nothing to cancel."
            )
    with store.begin() as session:
        return lookups.run(session, run_id)


def cancel_waiting(session: Session, dataset_id: uuid.UUID) -> None:
    """Cancel the run of a dataset if it is queued or paused."""
    run = runs.alive(session, dataset_id)
    if run is not None and run.status in WAITING:
        _cancel(session, run, ON_REQUEST)


def _cancel(session: Session, run: Run, reason: str) -> bool:
    previous = run.status
    result = {name: value for name, value in run.result.items() if name != "error"}
    if phases := statuses.seconds_together(
        run.result.get(STAGE_SECONDS, {}), run.activity.get("phases", {})
    ):
        result[STAGE_SECONDS] = phases
    # What it excluded is in no row, which does not make a mistake of the rule.
    if matched := [name for name, is_in in result.pop(SO_FAR, {}).items() if is_in]:
        known = runs.column_rules_known(session, run.dataset_id, run.id)
        result[RESULT] = {**known, **dict.fromkeys(matched, True)}
    ended = {"status": "cancelled", "cancelled": True, "previous_state": previous, "reason": reason}
    moved = runs.move(
        session,
        run.id,
        RunStatus.CANCELLED,
        completed_at=datetime.now(UTC),
        resume_at=None,
        phase=Phase.DONE,
        error_code=None,
        error_message=None,
        activity={},
        result={**result, **ended},
    )
    if moved:
        _reset_dataset(session, run.dataset)
        names = audit.of_dataset(run.dataset)
        audit.record(session, "cancelled", "run", run.id, **names, previous=previous)
    return moved


def _reset_dataset(session: Session, dataset: Dataset) -> None:
    """Restore the status of a dataset after its run was cancelled; due at its next interval."""
    interval = timedelta(hours=dataset.project_source.refresh_interval_hours)
    due = schedule.next_sync_at(datetime.now(UTC), interval, str(dataset.id))
    session.execute(update(Dataset).where(Dataset.id == dataset.id).values(next_sync_at=due))
    datasets.move(
        session, dataset.id, statuses.after_cancel(has_data=dataset.last_sync_at is not None)
    )
