"""Background jobs: start due runs, reclaim those of dead workers, expire data, renew tokens.

Each job may run on any number of machines at once: every decision is repeated by the statement that
acts on it.
"""

from __future__ import annotations

import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import select

from scout_control.credentials import renewal
from scout_control.datasets import dataset_drop, person_login, reads, schemas
from scout_control.errors import ControlError
from scout_control.installation import stored_secrets
from scout_control.rules import access_tokens, expiry, retention, schedule
from scout_control.rules.statuses import DatasetStatus, Phase, RunStatus, dataset_predecessors
from scout_control.runs import recovery
from scout_control.runs.context import is_interrupted
from scout_control.store import (
    audit,
    datasets,
    people,
    queue,
    queue_turns,
    requests,
    run_logs,
    runs,
    sessions,
)
from scout_control.store.locks import LONGEST_DEATH_SECONDS, dataset_lock, try_locks
from scout_control.store.models import Dataset, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation

log = logging.getLogger(__name__)

JOB_IS_LOST_AFTER = timedelta(seconds=60)
WORKER_DIED = "The worker died or lost its connection."
RENEWALS_AT_ONCE = 8


def never() -> bool:
    """Return False: the job is never asked to stop."""
    return False


def start_due(installation: Installation, now: datetime) -> int:
    """Queue a run for each dataset that is due; return how many."""
    with installation.store.begin() as session:
        queued = runs.queue_due(session, now)
        # Spread out: all datasets of an installation that was down become due at once.
        waits = schedule.start_offsets(len(queued))
        jobs = [
            (run, now + wait if wait else None) for run, wait in zip(queued, waits, strict=True)
        ]
        queue.defer_all(installation.store, session, jobs)
    if queued:
        log.info("runs_queued queued=%d", len(queued))
    return len(queued)


def reclaim(installation: Installation, now: datetime) -> int:
    """Requeue runs whose worker died; return how many."""
    recovery.clean_up(installation)
    with installation.store.begin() as session:
        datasets.collect_touches(session)
        running = runs.running(session)
    interrupted = [
        run for run in running if is_interrupted(run.status, run.worker, run.heartbeat_at, now)
    ]
    return sum(_reclaim_if_unlocked(installation, run, now) for run in interrupted)


def reclaim_one(installation: Installation, run: Run, now: datetime) -> bool:
    """Requeue one run whose worker died; return whether it had."""
    recovery.clean_up(installation)
    return _reclaim_if_unlocked(installation, run, now)


def status_after_death(deaths: int) -> RunStatus:
    """Return the next status of a run whose worker has died this many times in a row.

    A run that kills every worker, such as one that needs too much memory, must not do so for ever.
    """
    return RunStatus.QUEUED if deaths < expiry.MAX_WORKER_DEATHS else RunStatus.FAILED


def _reclaim_if_unlocked(installation: Installation, run: Run, now: datetime) -> bool:
    lock = dataset_lock(run.dataset_id)
    with try_locks(installation.store, lock, longest_seconds=LONGEST_DEATH_SECONDS) as is_free:
        if not is_free:
            return False  # its worker is alive after all, or another one has it
        # Before the run is queued again: sessions of the dead worker may still write.
        schemas.disable_writer(installation, run.dataset)
        with installation.store.begin() as session:
            deaths = run.deaths + 1
            if status_after_death(deaths) is RunStatus.QUEUED:
                return _requeue(session, installation, run, deaths)
            return _fail(session, run, deaths, now)


def _requeue(session: Session, installation: Installation, run: Run, deaths: int) -> bool:
    is_moved = runs.move(session, run.id, RunStatus.QUEUED, run.worker, worker=None, deaths=deaths)
    if is_moved:
        queue.defer(installation.store, session, run.id)
        names = audit.of_dataset(run.dataset)
        audit.record(session, "taken over", "run", run.id, **names, attempt=run.attempt)
    return is_moved


def _fail(session: Session, run: Run, deaths: int, now: datetime) -> bool:
    is_moved = runs.move(
        session,
        run.id,
        RunStatus.FAILED,
        run.worker,
        completed_at=now,
        deaths=deaths,
        phase=str(Phase.DONE),
        error_code="INTERNAL_ERROR",
        error_message=WORKER_DIED,
    )
    if is_moved:
        interval = timedelta(hours=run.dataset.project_source.refresh_interval_hours)
        failures = run.dataset.failures + 1
        datasets.move(
            session,
            run.dataset_id,
            DatasetStatus.ERROR,
            sync_error=WORKER_DIED,
            failures=failures,
            next_sync_at=schedule.retry_at(now, failures, interval),
        )
        names = audit.of_dataset(run.dataset)
        audit.record(session, "failed", "run", run.id, **names, error=WORKER_DIED)
    return is_moved


def requeue_lost(installation: Installation, now: datetime) -> int:
    """Enqueue a job for each waiting run whose own was lost; return how many."""
    with installation.store.begin() as session:
        waiting = runs.waiting(session, now, JOB_IS_LOST_AFTER)
        lost = without_job(waiting, queue.waiting(session) if waiting else set())
        for run in lost:
            queue.defer(installation.store, session, run)
        # Also without lost jobs: the turns of owners change with every run that ends.
        queue_turns.assign_priorities(session)
    return len(lost)


def without_job(waiting: Iterable[uuid.UUID], queued: set[str]) -> list[uuid.UUID]:
    """Return the waiting runs that no job in the queue names."""
    return [run_id for run_id in waiting if str(run_id) not in queued]


def expire(
    installation: Installation,
    now: datetime,
    idle: timedelta | None = None,
    should_stop: Callable[[], bool] = never,
) -> int:
    """Drop the data of datasets that were unused for too long; return how many.

    Datasets that expired before and whose data could not be dropped are tried again.

    Args:
        installation: The installation.
        now: The time.
        idle: How long data is kept where its dataset does not say; None for the installation's.
        should_stop: Returns whether to begin nothing new.
    """
    found = would_expire(installation, now, idle)
    with installation.store.begin() as session:
        default_keep = _default_keep(session, idle)
        found += datasets.expired_with_data(session)

    def is_over(session: Session, dataset: Dataset) -> bool:
        return _is_over(session, dataset, now, default_keep)

    is_late = _time_limit(should_stop)
    return sum(_expire(installation, each, is_over) for each in found if not is_late())


def would_expire(
    installation: Installation, now: datetime, idle: timedelta | None = None
) -> list[uuid.UUID]:
    """Return the datasets whose data ``expire`` would drop."""
    seem_unused = _idle(installation, now, idle)
    if not seem_unused or not reads.collect(installation, seem_unused):
        return seem_unused
    return _idle(installation, now, idle)


def _idle(installation: Installation, now: datetime, idle: timedelta | None) -> list[uuid.UUID]:
    with installation.store.begin() as session:
        datasets.collect_touches(session)
        found = datasets.idle(session, now, _default_keep(session, idle))
        live = runs.all_alive(session, found)
    return [each for each in found if each not in live]


def _default_keep(session: Session, idle: timedelta | None) -> float:
    return datasets.default_keep(session) if idle is None else retention.in_hours(idle)


_logged: dict[uuid.UUID, str] = {}
"""Why a dataset could not be dropped, as last logged: it is tried again every minute."""


def _expire(
    installation: Installation, dataset_id: uuid.UUID, is_over: Callable[[Session, Dataset], bool]
) -> bool:
    """Drop the data of one dataset, unless it was used since it was found."""
    # A dataset that cannot be dropped, because a view depends on it, must not stop the others.
    try:
        return dataset_drop.try_drop(installation, dataset_id, is_over, reason="expired")
    except (ControlError, psycopg.Error) as error:
        is_explained = isinstance(error, ControlError)
        log_when_new(dataset_id, str(error) if is_explained else type(error).__name__)
        return False


def log_when_new(dataset_id: uuid.UUID, why: str) -> None:
    """Log why a dataset could not be dropped, unless that was logged of it last."""
    if _logged.get(dataset_id) != why:
        log.warning("not_expired dataset=%s: %s", dataset_id, why)
    _logged[dataset_id] = why


def _is_over(session: Session, dataset: Dataset, now: datetime, default_keep: float) -> bool:
    if runs.alive(session, dataset.id) is not None:
        return False
    if dataset.status != DatasetStatus.EXPIRED:
        datasets.collect_touches(session)
        session.refresh(dataset, ["last_activity_at", "keep_hours"])
    keep = default_keep if dataset.keep_hours is None else dataset.keep_hours
    unused = now - dataset.last_activity_at
    return should_drop(DatasetStatus(dataset.status), dataset.sync_error, unused, keep)


def should_drop(
    status: DatasetStatus, sync_error: str | None, unused: timedelta, keep_hours: float
) -> bool:
    """Return whether the data of a dataset without a run is to be dropped.

    An expired dataset with an error is one whose data an earlier attempt could not drop.
    """
    if status is DatasetStatus.EXPIRED:
        return sync_error is not None
    is_droppable = status in dataset_predecessors(DatasetStatus.EXPIRED)
    return is_droppable and retention.is_over(unused, keep_hours)


def renew_tokens(
    installation: Installation, now: datetime, should_stop: Callable[[], bool] = never
) -> dict[str, int]:
    """Renew tokens that expire within the hour, several at once; return the count by outcome."""
    with installation.store.begin() as session:
        found = renewal.expiring(session, now)

    is_late = _time_limit(should_stop)

    def renew(credential_id: uuid.UUID) -> str:
        if is_late():
            return "left"
        return renewal.renew(
            installation.store, installation.keyring, installation.plugins, credential_id
        )

    with ThreadPoolExecutor(RENEWALS_AT_ONCE, "renew") as pool:
        outcomes = list(pool.map(renew, found))
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}


def _time_limit(should_stop: Callable[[], bool]) -> Callable[[], bool]:
    """Return a function that says when to begin nothing new, and leave the rest to the next round.

    One round that never ends would keep all later ones of its kind from starting.
    """
    until = time.monotonic() + expiry.MAINTENANCE_ROUND_LIMIT.total_seconds()
    return lambda: should_stop() or time.monotonic() > until


def end_logins(installation: Installation) -> int:
    """End writer logins that outlived their run, and logins that no one has; return how many."""
    enabled = schemas.with_enabled_writer(installation)
    with installation.store.begin() as session:
        found = session.scalars(select(Dataset).where(Dataset.schema_name.in_(enabled))).all()
    of_writers = sum(_end_login(installation, dataset) for dataset in found)
    return of_writers + person_login.drop_orphans(installation)


def _end_login(installation: Installation, dataset: Dataset) -> bool:
    with try_locks(installation.store, dataset_lock(dataset.id)) as is_free:
        if is_free:
            schemas.disable_writer(installation, dataset)
    return is_free


def purge(installation: Installation, now: datetime) -> None:
    """Delete old runs, logs, events, jobs, queries, keys of requests; ended sessions and tokens."""
    with installation.store.begin() as session:
        run_logs.purge(session, now - expiry.LOG_RETENTION)
        runs.purge(session, now - expiry.HISTORY_RETENTION)
        audit.retain(session, now - installation.settings.audit_keep)
        queue.purge(session, now - timedelta(days=1))
        sessions.purge(session, now)
        requests.purge(session, now)
        people.purge_tokens(session, now - access_tokens.KEPT_AFTER_END)


def tick(installation: Installation, idle: timedelta | None = None) -> dict[str, int]:
    """Do one round of every job; return what was done. The keys are public.

    Raises:
        KeysUnusableError: No encryption key fits what is stored; nothing was done.
    """
    stored_secrets.check_keys(installation)
    now = datetime.now(UTC)
    done = {
        "taken_over": reclaim(installation, now),
        "expired": expire(installation, now, idle),
        "queued": start_due(installation, now),
        "asked_again": requeue_lost(installation, now),
        **{f"tokens_{name}": count for name, count in renew_tokens(installation, now).items()},
    }
    purge(installation, now)
    end_logins(installation)
    person_login.sweep(installation)
    dataset_drop.drop_retired_roles(installation)
    return done
