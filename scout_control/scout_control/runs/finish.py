"""Determines the outcome of a run, and writes run, dataset, credential and audit event at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scout_control.credentials import records
from scout_control.errors import (
    ControlError,
    CredentialMissingError,
    CredentialRefusedError,
)
from scout_control.meltano.log import NOT_SELECTED
from scout_control.rules import column_rules, schedule
from scout_control.rules import statuses as rules
from scout_control.rules.expiry import MAX_PAUSE, counts_as_use
from scout_control.rules.server_paths import hide_folders, without_folders
from scout_control.rules.statuses import STAGE_SECONDS, DatasetStatus, Phase, RunStatus, Trigger
from scout_control.runs import rule_outcomes
from scout_control.runs.progress import MAX_NOTICES
from scout_control.runs.run_result import NOT_COUNTED, RunResult, rows_in_tables
from scout_control.store import audit, datasets, metadata, queue, runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation
    from scout_control.store.models import Dataset, Run

SHORTEST_PAUSE = timedelta(seconds=30)
WORKED_SECONDS = "worked_seconds"
"""In the ``result`` of a run that has not ended: how long its requeued attempts took together."""
NEEDS_A_PERSON = (CredentialMissingError, CredentialRefusedError)


def finish(installation: Installation, run: Run, worker: str, result: RunResult) -> bool:
    """Write how a run ended, unless it was moved meanwhile; return whether it was written."""
    now, result = datetime.now(UTC), _for_everyone(installation, result)
    with installation.store.begin() as session:
        if result.status is RunStatus.PAUSED:
            # The dataset stays "syncing": a paused run is live, and owns the next refresh.
            return _pause(session, installation, run, worker, result, now)
        result = replace(result, column_rules=rule_outcomes.known(session, run, result))
        columns = run_columns(run, result)
        # Cancelled or reclaimed since the last heartbeat: then nothing else may be written either.
        if not runs.move(session, run.id, result.status, worker, completed_at=now, **columns):
            return False
        _finish_dataset(session, run, result, now)
        if result.catalog or result.metadata:
            found = {"content": dict(result.metadata), "streams": dict(result.catalog)}
            # Empty is unknown, not gone: what earlier runs found at the source is kept.
            known = {name: value for name, value in found.items() if value}
            metadata.save(session, run.dataset, known, now)
        # Together with the dataset, whose schedule ends until the account is connected again: a
        # crash in between would leave a valid credential whose dataset nothing runs any more.
        if isinstance(result.error, CredentialRefusedError) and result.credential_id:
            records.invalidate(session, result.credential_id, result.error.cause)
        _record(session, str(result.status), run, result.error)
    return True


def _for_everyone(installation: Installation, result: RunResult) -> RunResult:
    """Return a result whose errors do not name our folders: people without a shell see it.

    That of Python stays: a command that installs a missing program needs it.
    """
    folders = installation.settings.own_folders
    if result.error is not None:
        hide_folders(result.error, folders)
    why = result.transform_error
    return replace(result, transform_error=why and without_folders(why, folders))


def requeue(
    installation: Installation,
    run: Run,
    worker: str,
    wait: timedelta = timedelta(),
    reason: str | None = None,
    attempted: RunResult | None = None,
) -> bool:
    """Requeue an unfinished run if this worker still holds it; return whether it did.

    Args:
        installation: The installation.
        run: The run.
        worker: This worker.
        wait: How long it waits before it may start again.
        reason: Why it waits.
        attempted: What the attempt that ends has found out.
    """
    now = datetime.now(UTC)
    attempted = attempted or RunResult()
    result = add_worked_seconds(run.result, run.updated_at, now) | _findings(run, attempted)
    rows = Counter(run.rows_loaded) + Counter(attempted.rows_loaded)
    with installation.store.begin() as session:
        activity = runs.waiting_activity(reason, now + wait if wait else None) if reason else {}
        is_ours = runs.move(
            session,
            run.id,
            RunStatus.QUEUED,
            worker,
            worker=None,
            result=result,
            rows_loaded=dict(rows),
            activity=activity,
        )
        if is_ours:
            # In the same transaction: a run that is queued without a job waits until the next
            # round of maintenance finds it.
            queue.defer(installation.store, session, run.id, now + wait if wait else None)
            _record(session, "handed back", run)
    return is_ours


def add_worked_seconds(
    result: Mapping[str, Any], claimed_at: datetime, now: datetime
) -> dict[str, Any]:
    """Return the ``result`` of a run with the time of one more attempt added."""
    worked = result.get(WORKED_SECONDS, 0) + (now - claimed_at).total_seconds()
    return {**result, WORKED_SECONDS: round(worked, 1)}


def seconds_left(result: Mapping[str, Any], timeout_seconds: float) -> float:
    """Return how long an attempt may take, of the time that all attempts at a run share."""
    # Never 0, which would set no limit to the process.
    return max(timeout_seconds - float(result.get(WORKED_SECONDS, 0)), 1.0)


def resume_time(asked: str | None, now: datetime) -> datetime:
    """Return when a paused run is resumed: as its source asked, within bounds.

    The text comes from a tap and may be anything; without a zone it is UTC.
    """
    try:
        moment = datetime.fromisoformat(asked) if asked else now + SHORTEST_PAUSE
    except ValueError:
        moment = now + SHORTEST_PAUSE
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment, now), now + MAX_PAUSE)


def run_columns(run: Run, result: RunResult) -> dict[str, Any]:
    """Return the columns of a run that has ended or paused, except its status and times."""
    rows = {**run.rows_loaded, **result.rows_loaded}  # the latter count all attempts
    error = result.failure
    return {
        "phase": str(Phase.DONE),
        "rows_loaded": rows,
        "result": _result_document(run, result, rows),
        "transform_error": result.transform_error,
        "error_code": rules.code(error) if error else None,
        "error_message": str(error) if error else None,
        "pid": None,
        "activity": {},
    }


def _result_document(run: Run, result: RunResult, rows: Mapping[str, int]) -> dict[str, Any]:
    """Return the ``result`` column, which ``--json`` shows: its keys are public."""
    in_tables = result.row_counts or {}
    document: dict[str, Any] = {
        "status": str(result.status),
        "run_id": str(run.id),
        "schema": run.dataset.schema_name,
        "pipeline": result.pipeline,
        "sources": {
            stream: {
                **_stream_document(result.streams.get(stream, "loaded"), rows.get(stream, 0)),
                "rows_in_table": in_tables.get(stream),
            }
            for stream in {**rows, **result.streams}
        },
        "rows_loaded": sum(rows.values()),
        "rows_in_tables": rows_in_tables(result),
    }
    if result.seconds:
        earlier = run.result.get(STAGE_SECONDS, {})  # of attempts that paused or were interrupted
        document[STAGE_SECONDS] = rules.seconds_together(result.seconds, earlier)
    if warnings := _warnings(run, result):
        document["warnings"] = warnings
    document |= rule_outcomes.document(run, result)
    if not result.is_counted:
        document["warning"] = NOT_COUNTED
    if result.transform_error:
        document["transform_error"] = result.transform_error
    if result.skipped_models:
        document["skipped_models"] = result.skipped_models
    if error := result.failure:
        document["error"] = {
            "code": rules.code(error),
            "message": str(error),
            "reason": error.reason,
            "exit_code": error.exit_code,
        }
    return document


def _findings(run: Run, attempted: RunResult) -> dict[str, Any]:
    """Return what the next attempt at a run must know of this one."""
    found: dict[str, Any] = {
        "warnings": _notices(run, attempted, is_over=False),
        column_rules.SO_FAR: rule_outcomes.so_far(run, attempted),
        STAGE_SECONDS: rules.seconds_together(attempted.seconds, run.result.get(STAGE_SECONDS, {})),
    }
    return {name: value for name, value in found.items() if value}


def _warnings(run: Run, result: RunResult) -> list[str]:
    """Return what people should see of all attempts at a run although they read no log."""
    is_over = result.status is not RunStatus.PAUSED
    unmatched = column_rules.unmatched_text(result.column_rules or {}) if is_over else None
    notices = _notices(run, result, is_over=is_over)
    return [unmatched, *notices] if unmatched else notices


def _notices(run: Run, result: RunResult, *, is_over: bool) -> list[str]:
    outdated = column_rules.unmatched_text(run.result.get(column_rules.RESULT, {}))
    earlier = (text for text in run.result.get("warnings", ()) if text != outdated)
    latest = (each.text for each in result.notices if is_over or not each.is_of_attempt)
    return list(dict.fromkeys([*earlier, *latest]))[:MAX_NOTICES]


def _stream_document(outcome: str, rows: int) -> dict[str, Any]:
    is_selected = outcome != NOT_SELECTED
    status = outcome if is_selected else "skipped"
    known = {"status": status, "state": status, "rows": rows}  # state: the name until 0.1
    return {**known, "is_selected": is_selected}


def dataset_columns(
    dataset: Dataset, result: RunResult, now: datetime
) -> tuple[DatasetStatus, dict[str, Any]]:
    """Return the status of a dataset after a run that ended, and its other columns."""
    interval = timedelta(hours=dataset.project_source.refresh_interval_hours)
    values: dict[str, Any] = {"sync_error": str(result.error) if result.error else None}
    if result.row_counts is not None:
        values["row_counts"] = dict(result.row_counts)
    if result.status is RunStatus.COMPLETED:
        values |= {
            "failures": 0,
            "last_sync_at": now,
            "next_sync_at": schedule.next_sync_at(now, interval, str(dataset.id)),
        }
        return DatasetStatus.READY, values
    failures = dataset.failures + 1
    # Without a usable credential each retry would fail the same way: connecting one schedules it.
    needs_a_person = isinstance(result.error, NEEDS_A_PERSON)
    values |= {
        "failures": failures,
        "next_sync_at": None if needs_a_person else schedule.retry_at(now, failures, interval),
    }
    if result.status is RunStatus.PARTIAL:
        return DatasetStatus.READY, {**values, "last_sync_at": now}
    return DatasetStatus.ERROR, values


def _pause(
    session: Session,
    installation: Installation,
    run: Run,
    worker: str,
    result: RunResult,
    now: datetime,
) -> bool:
    resume_at = resume_time(result.resume_at, now)
    is_ours = runs.move(
        session,
        run.id,
        RunStatus.PAUSED,
        worker,
        resume_at=resume_at,
        deaths=0,  # it made progress until its source requested a pause
        **run_columns(run, result),
    )
    if is_ours:
        queue.defer(installation.store, session, run.id, resume_at)
        _record(session, str(RunStatus.PAUSED), run, result.error)
    return is_ours


def _finish_dataset(session: Session, run: Run, result: RunResult, now: datetime) -> None:
    # Of before this run: the first data of a dataset counts as use, or it could expire at once.
    dataset = run.dataset
    has_data = result.status in rule_outcomes.HAS_LOADED
    was_asked_for, had_data = run.trigger == Trigger.MANUAL, dataset.last_sync_at is not None
    if has_data and counts_as_use(was_asked_for=was_asked_for, had_data=had_data):
        datasets.touch(session, run.dataset_id, now)
    status, values = dataset_columns(dataset, result, now)
    datasets.move(session, dataset.id, status, **values)


def _record(session: Session, action: str, run: Run, error: ControlError | None = None) -> None:
    names = audit.of_dataset(run.dataset)
    details = {"attempt": run.attempt} | ({"error": error.cause} if error else {})
    audit.record(session, action, "run", run.id, **names, **details)
    # One search for this action finds all refusals, those of commands and those of runs.
    if isinstance(error, audit.REFUSALS):
        names |= {"run": str(run.id)}
        audit.record(session, "refused", "dataset", run.dataset_id, **names, reason=error.cause)
