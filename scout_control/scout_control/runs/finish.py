"""What becomes of a run and its dataset when it has ended, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scout_control.credentials import records
from scout_control.errors import (
    ControlError,
    CredentialMissingError,
    CredentialRefusedError,
    RunPausedError,
)
from scout_control.rules import schedule
from scout_control.rules import statuses as rules
from scout_control.rules.expiry import MAX_PAUSE, counts_as_use
from scout_control.rules.statuses import DatasetStatus, RunStatus, Trigger
from scout_control.store import audit, datasets, metadata, queue, runs
from scout_control.store.models import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from scout_control.credentials.records import Login
    from scout_control.installation.installation import Site

SHORTEST_PAUSE = timedelta(seconds=30)
NOT_COUNTED = (
    "What the run loaded could not be counted: the tables of the dataset schema are not as the "
    "target makes them, or could not be read. See the log."
)
WORKED_SECONDS = "worked_seconds"
"""How long the attempts took that were handed back, in the result of a run that has not ended."""
NEEDS_A_PERSON = (CredentialMissingError, CredentialRefusedError)


@dataclass(kw_only=True)
class Facts:
    """What is known of a run at its end."""

    worker: str
    error: ControlError | None = None
    is_partial: bool = False
    transform_error: str | None = None
    resume_at: str | None = None
    rows_loaded: Mapping[str, int] = field(default_factory=dict)
    row_counts: Mapping[str, int | None] | None = None
    """Nothing when it was not looked at."""
    is_counted: bool = True
    """Whether what can be told of rows is known."""
    streams: Mapping[str, str] = field(default_factory=dict)
    catalog: Mapping[str, Any] = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict)
    login: Login | None = None
    pipeline: str | None = None


def end(site: Site, run: Run, facts: Facts) -> bool:
    """Write the end of a run down, unless somebody moved it meanwhile; tell whether it was ours."""
    now = datetime.now(UTC)
    with site.store.begin() as session:
        if isinstance(facts.error, RunPausedError):
            return _pause(session, site, run, facts, now)
        then = _status(facts)
        is_ours = runs.move(
            session, run.id, then, facts.worker, completed_at=now, **_columns(run, facts, then)
        )
        if not is_ours:
            return False
        _end_dataset(session, run, facts, then, now)
        if facts.catalog or facts.content:
            metadata.save(session, run.dataset, _found(facts), now)
        used = facts.login.credential_id if facts.login else None
        if isinstance(facts.error, CredentialRefusedError) and used:
            records.refuse(session, used, facts.error.cause)
        _record(session, str(then), run, facts.error)
    return True


def hand_back(site: Site, run: Run, worker: str, wait: timedelta = timedelta()) -> bool:
    """Give a run back to the queue; tell whether it was ours to give."""
    now = datetime.now(UTC)
    with site.store.begin() as session:
        worked = run.result.get(WORKED_SECONDS, 0) + (now - run.updated_at).total_seconds()
        result = {**run.result, WORKED_SECONDS: round(worked, 1)}
        is_ours = runs.move(session, run.id, RunStatus.QUEUED, worker, worker=None, result=result)
        if is_ours:
            queue.defer(site.store, session, run.id, now + wait if wait else None)
            _record(session, "handed back", run)
    return is_ours


def seconds_left(run: Run, timeout: float) -> float:
    """Return how long an attempt may take, of what all attempts at its run may take together."""
    return max(timeout - float(run.result.get(WORKED_SECONDS, 0)), 1.0)


def _pause(session: Session, site: Site, run: Run, facts: Facts, now: datetime) -> bool:
    asked = _moment(facts.resume_at) or now + SHORTEST_PAUSE
    resume_at = min(max(asked, now), now + MAX_PAUSE)
    is_ours = runs.move(
        session,
        run.id,
        RunStatus.PAUSED,
        facts.worker,
        resume_at=resume_at,
        deaths=0,  # it came as far as its source let it
        **_columns(run, facts, RunStatus.PAUSED),
    )
    if is_ours:
        queue.defer(site.store, session, run.id, resume_at)
        _record(session, "paused", run, facts.error)
    return is_ours


def _record(session: Session, action: str, run: Run, error: ControlError | None = None) -> None:
    names = audit.of_dataset(run.dataset)
    details = {"attempt": run.attempt} | ({"error": error.cause} if error else {})
    audit.record(session, action, "run", run.id, **names, **details)
    if isinstance(error, audit.REFUSALS):
        names |= {"run": str(run.id)}
        audit.record(session, "refused", "dataset", run.dataset_id, **names, reason=error.cause)


def _status(facts: Facts) -> RunStatus:
    if facts.is_partial:
        return RunStatus.PARTIAL
    is_loaded = facts.error is None or facts.transform_error
    return RunStatus.COMPLETED if is_loaded else RunStatus.FAILED


def _columns(run: Run, facts: Facts, then: RunStatus) -> dict[str, Any]:
    is_failure = facts.error is not None and (facts.is_partial or not facts.transform_error)
    rows = {**run.rows_loaded, **facts.rows_loaded}  # the latter count all attempts
    result = {
        "status": str(then),
        "run_id": str(run.id),
        "schema": run.dataset.schema_name,
        "pipeline": facts.pipeline,
        "sources": {
            stream: {"state": facts.streams.get(stream, "loaded"), "rows": rows.get(stream, 0)}
            for stream in {**rows, **facts.streams}
        },
        "rows_loaded": sum(rows.values()),
    }
    if not facts.is_counted:
        result["warning"] = NOT_COUNTED
    if facts.transform_error:
        result["transform_error"] = facts.transform_error
    if is_failure and facts.error:
        result["error"] = {
            "code": rules.code(facts.error),
            "message": str(facts.error),
            "exit_code": facts.error.exit_code,
        }
    return {
        "phase": "done",
        "rows_loaded": rows,
        "result": result,
        "transform_error": facts.transform_error,
        "error_code": rules.code(facts.error) if is_failure and facts.error else None,
        "error_message": str(facts.error) if is_failure else None,
        "pid": None,
    }


def _end_dataset(session: Session, run: Run, facts: Facts, then: RunStatus, now: datetime) -> None:
    dataset = run.dataset
    _remember_use(session, run, then, now)
    interval = timedelta(hours=dataset.project_source.refresh_interval_hours)
    values: dict[str, Any] = {"sync_error": str(facts.error) if facts.error else None}
    if facts.row_counts is not None:
        values["row_counts"] = dict(facts.row_counts)
    if then == RunStatus.COMPLETED:
        values |= {
            "failures": 0,
            "last_sync_at": now,
            "next_sync_at": schedule.next_sync_at(now, interval, str(dataset.id)),
        }
        datasets.move(session, dataset.id, DatasetStatus.READY, **values)
        return
    failures = dataset.failures + 1
    needs_a_person = isinstance(facts.error, NEEDS_A_PERSON)
    values |= {
        "failures": failures,
        "next_sync_at": None if needs_a_person else schedule.retry_at(now, failures, interval),
    }
    if then == RunStatus.PARTIAL:
        values["last_sync_at"] = now
    is_ready = then == RunStatus.PARTIAL
    datasets.move(
        session, dataset.id, DatasetStatus.READY if is_ready else DatasetStatus.ERROR, **values
    )


def _remember_use(session: Session, run: Run, then: RunStatus, now: datetime) -> None:
    has_data = then in {RunStatus.COMPLETED, RunStatus.PARTIAL}
    was_asked_for, had_data = run.trigger == Trigger.MANUAL, run.dataset.last_sync_at is not None
    if has_data and counts_as_use(was_asked_for=was_asked_for, had_data=had_data):
        datasets.touch(session, run.dataset_id, now)


def _found(facts: Facts) -> dict[str, Any]:
    """Return what is worth keeping of what the run found at its source."""
    found = {"content": dict(facts.content), "streams": dict(facts.catalog)}
    return {name: value for name, value in found.items() if value}


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
