"""What is done again and again: start what is due, take over what died, end what is over.

Each round may run on any number of machines at once: whatever it decides is decided again, in one
statement, by whoever acts on it.
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
from scout_control.datasets import deletion, schemas
from scout_control.errors import ControlError
from scout_control.rules import expiry, schedule
from scout_control.rules.statuses import DatasetStatus, RunStatus, dataset_predecessors
from scout_control.runs import recovery
from scout_control.store import audit, datasets, queue, queue_turns, runs
from scout_control.store.locks import dataset_lock, try_locks
from scout_control.store.models import Dataset, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Site

log = logging.getLogger(__name__)

JOB_IS_LOST_AFTER = timedelta(seconds=60)
DIED = "The worker died or was cut off."
RENEWALS_AT_ONCE = 8


def never() -> bool:
    """Tell that nothing asks to stop."""
    return False


def start_due(site: Site, now: datetime) -> int:
    """Queue a run for each dataset that is due; return how many."""
    with site.store.begin() as session:
        queued = runs.queue_due(session, now)
        waits = schedule.start_offsets(len(queued))
        jobs = [
            (run, now + wait if wait else None) for run, wait in zip(queued, waits, strict=True)
        ]
        queue.defer_all(site.store, session, jobs)
    if queued:
        log.info("runs_queued queued=%d", len(queued))
    return len(queued)


def take_over(site: Site, now: datetime) -> int:
    """Put runs whose worker died back into the queue; return how many."""
    recovery.clean_up(site)
    with site.store.begin() as session:
        datasets.collect_touches(session)
        silent = runs.dead(session, now - expiry.DEAD_AFTER)
    return sum(_take_over_free(site, run, now) for run in silent)


def take_over_one(site: Site, run: Run, now: datetime) -> int:
    """Put one run whose worker died back into the queue; return how many that were."""
    recovery.clean_up(site)
    return _take_over_free(site, run, now)


def _take_over_free(site: Site, run: Run, now: datetime) -> int:
    with try_locks(site.store, dataset_lock(run.dataset_id)) as is_free:
        if not is_free:
            return 0  # its worker lives after all, or another one has it
        schemas.disable_writer(site, run.dataset)
        with site.store.begin() as session:
            return _take_over(session, site, run, now)


def _take_over(session: Session, site: Site, run: Run, now: datetime) -> int:
    deaths = run.deaths + 1
    if deaths < expiry.MAX_WORKER_DEATHS:
        moved = runs.move(session, run.id, RunStatus.QUEUED, run.worker, worker=None, deaths=deaths)
        if moved:
            queue.defer(site.store, session, run.id)
            names = audit.of_dataset(run.dataset)
            audit.record(session, "taken over", "run", run.id, **names, attempt=run.attempt)
        return int(moved)
    moved = runs.move(
        session,
        run.id,
        RunStatus.FAILED,
        run.worker,
        completed_at=now,
        deaths=deaths,
        phase="done",
        error_code="INTERNAL_ERROR",
        error_message=DIED,
    )
    if moved:
        interval = timedelta(hours=run.dataset.project_source.refresh_interval_hours)
        failures = run.dataset.failures + 1
        datasets.move(
            session,
            run.dataset_id,
            DatasetStatus.ERROR,
            sync_error=DIED,
            failures=failures,
            next_sync_at=schedule.retry_at(now, failures, interval),
        )
        names = audit.of_dataset(run.dataset)
        audit.record(session, "failed", "run", run.id, **names, error=DIED)
    return int(moved)


def ask_again(site: Site, now: datetime) -> int:
    """Queue a job for each waiting run that lost its own; return how many."""
    with site.store.begin() as session:
        waiting = runs.waiting(session, now, JOB_IS_LOST_AFTER)
        known = queue.waiting(session) if waiting else set()
        lost = [run for run in waiting if str(run) not in known]
        for run in lost:
            queue.defer(site.store, session, run)
        queue_turns.assign_priorities(session)
    return len(lost)


def expire(
    site: Site, now: datetime, idle: timedelta, should_stop: Callable[[], bool] = never
) -> int:
    """Drop the data of datasets that nobody used for ``idle``; return how many.

    Datasets that expired before and whose data could not be removed are tried again.
    """
    with site.store.begin() as session:
        datasets.collect_touches(session)
        found = [*datasets.idle(session, now - idle), *datasets.expired_with_data(session)]

    def is_over(session: Session, dataset: Dataset) -> bool:
        return _is_over(session, dataset, now, idle)

    is_late = _deadline(should_stop)
    return sum(_expire(site, each, is_over) for each in found if not is_late())


_told: dict[uuid.UUID, str] = {}
"""Why a dataset could not be dropped, as it was logged last: each minute it is tried again."""


def _expire(site: Site, dataset_id: uuid.UUID, is_over: Callable[[Session, Dataset], bool]) -> bool:
    """Drop one dataset's data, if it is still to go now that nobody can touch it."""
    try:
        return deletion.try_drop(site, dataset_id, is_over, reason="expired")
    except (ControlError, psycopg.Error) as error:
        told = str(error) if isinstance(error, ControlError) else type(error).__name__
        if _told.get(dataset_id) != told:
            log.warning("not_expired dataset=%s: %s", dataset_id, told)
        _told[dataset_id] = told
        return False


def _is_over(session: Session, dataset: Dataset, now: datetime, idle: timedelta) -> bool:
    """Return whether a dataset's data is to go: unused, or left from an earlier attempt."""
    if runs.alive(session, dataset.id) is not None:
        return False
    if dataset.status == DatasetStatus.EXPIRED:
        return dataset.sync_error is not None
    datasets.collect_touches(session)
    session.refresh(dataset, ["last_activity_at"])
    return dataset.status in dataset_predecessors(DatasetStatus.EXPIRED) and expiry.is_inactive(
        dataset.last_activity_at, idle, now
    )


def renew_tokens(
    site: Site, now: datetime, should_stop: Callable[[], bool] = never
) -> dict[str, int]:
    """Renew tokens that end within the hour, several at once; return how many ended how."""
    with site.store.begin() as session:
        found = renewal.expiring(session, now)

    is_late = _deadline(should_stop)

    def renew(credential_id: uuid.UUID) -> str:
        if is_late():
            return "left"
        return renewal.renew(site.store, site.keyring, site.plugins, credential_id)

    with ThreadPoolExecutor(RENEWALS_AT_ONCE, "renew") as pool:
        outcomes = list(pool.map(renew, found))
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}


def _deadline(should_stop: Callable[[], bool]) -> Callable[[], bool]:
    """Return what tells whether a round must begin nothing new: what it leaves is for the next."""
    until = time.monotonic() + expiry.MAINTENANCE_ROUND_LIMIT.total_seconds()
    return lambda: should_stop() or time.monotonic() > until


def end_logins(site: Site) -> int:
    """End logins of writers that no run needs: what ended their runs could not; return how many."""
    with site.store.begin() as session:
        found = session.scalars(select(Dataset)).all()
    return sum(
        _end_login(site, dataset) for dataset in schemas.datasets_with_enabled_writer(site, found)
    )


def _end_login(site: Site, dataset: Dataset) -> bool:
    with try_locks(site.store, dataset_lock(dataset.id)) as is_free:
        if is_free:
            schemas.disable_writer(site, dataset)
    return is_free


def purge(site: Site, now: datetime) -> None:
    """Forget old runs, events and jobs."""
    with site.store.begin() as session:
        runs.purge(session, now - expiry.HISTORY_RETENTION)
        audit.retain(session, now - site.settings.audit_keep)
        queue.purge(session, now - timedelta(days=1))


def tick(site: Site, idle: timedelta) -> dict[str, int]:
    """Do one round of everything; return what was done."""
    now = datetime.now(UTC)
    done = {
        "taken_over": take_over(site, now),
        "expired": expire(site, now, idle),
        "queued": start_due(site, now),
        "asked_again": ask_again(site, now),
        **{f"tokens_{name}": count for name, count in renew_tokens(site, now).items()},
    }
    purge(site, now)
    end_logins(site)
    deletion.drop_retired_roles(site)
    return done
