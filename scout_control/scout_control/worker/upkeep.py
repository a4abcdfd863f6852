"""What is done again and again: start what is due, take over what died, end what is over.

Each round may run on any number of machines at once: whatever it decides is decided again, in one
statement, by whoever acts on it.
"""

from __future__ import annotations

import logging
import shutil
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from scout_control.credentials import renewal
from scout_control.errors import ConflictError, ControlError
from scout_control.rules import expiry, schedule
from scout_control.rules.runs import DatasetStatus, RunStatus, dataset_before
from scout_control.store import audit, datasets, runs
from scout_control.store.locks import holding, of_dataset
from scout_control.store.models import Dataset, Run
from scout_control.worker import places, queue, salvage

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from scout_control.worker.site import Site

log = logging.getLogger(__name__)

JOB_IS_LOST_AFTER = timedelta(seconds=60)
DIED = "The worker died or was cut off."


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
    salvage.clean_up(site)
    with site.store.begin() as session:
        datasets.collect_touches(session)
        silent = runs.dead(session, now - expiry.DEAD_AFTER)
    return sum(_take_over_free(site, run, now) for run in silent)


def take_over_one(site: Site, run: Run, now: datetime) -> int:
    """Put one run whose worker died back into the queue; return how many that were."""
    salvage.clean_up(site)
    return _take_over_free(site, run, now)


def _take_over_free(site: Site, run: Run, now: datetime) -> int:
    with holding(site.store, of_dataset(run.dataset_id)) as is_free:
        if not is_free:
            return 0  # its worker lives after all, or another one has it
        places.end_login(site, run.dataset)
        with site.store.begin() as session:
            return _take_over(session, site, run, now)


def _take_over(session: Session, site: Site, run: Run, now: datetime) -> int:
    deaths = run.deaths + 1
    if deaths < expiry.MOST_DEATHS:
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
    return len(lost)


def expire(site: Site, now: datetime, idle: timedelta) -> int:
    """Drop the data of datasets that nobody used for ``idle``; return how many."""
    with site.store.begin() as session:
        datasets.collect_touches(session)
        found = datasets.idle(session, now - idle)
    return sum(_expire(site, dataset_id, now, idle) for dataset_id in found)


def _expire(site: Site, dataset_id: uuid.UUID, now: datetime, idle: timedelta) -> bool:
    """Drop one dataset's data, if it is still unused now that nobody can touch it."""
    with holding(site.store, of_dataset(dataset_id)) as is_free:
        if not is_free:
            return False
        try:
            with site.store.begin() as session:
                dataset = datasets.lock(session, dataset_id)
                datasets.collect_touches(session)
                if dataset is None or not _is_over(session, dataset, now, idle):
                    return False
                drop_locked(session, site, dataset)
        except ControlError as error:
            log.warning("not_expired dataset=%s: %s", dataset_id, error)
            return False
    return True


def _is_over(session: Session, dataset: Dataset, now: datetime, idle: timedelta) -> bool:
    session.refresh(dataset, ["last_activity_at"])
    return (
        dataset.status in dataset_before(DatasetStatus.EXPIRED)
        and expiry.is_inactive(dataset.last_activity_at, idle, now)
        and runs.alive(session, dataset.id) is None
    )


def drop(site: Site, dataset_id: uuid.UUID, *, force: bool = False) -> None:
    """Drop a dataset's data now.

    Raises:
        ConflictError: A run is in progress, or something outside depends on the data.
    """
    with holding(site.store, of_dataset(dataset_id)) as is_free, site.store.begin() as session:
        dataset = datasets.lock(session, dataset_id)
        if not is_free or dataset is None or runs.alive(session, dataset_id) is not None:
            raise ConflictError(
                "A run of this dataset is in progress.", "Cancel it first: scout runs cancel"
            )
        drop_locked(session, site, dataset, force=force, reason="dropped")


def drop_locked(
    session: Session,
    site: Site,
    dataset: Dataset,
    *,
    force: bool = False,
    reason: str = "expired",
) -> None:
    """Drop the data of a dataset that is locked, and say so in the same transaction."""
    places.drop(site, dataset, force=force)
    shutil.rmtree(site.dbt_folder(dataset.schema_name), ignore_errors=True)
    datasets.move(
        session,
        dataset.id,
        DatasetStatus.EXPIRED,
        next_sync_at=None,
        last_sync_at=None,
        row_counts={},
        sync_error=None,
        failures=0,
    )
    names = audit.of_dataset(dataset)
    audit.record(session, reason, "dataset", dataset.id, **names, forced=force)


def renew_tokens(site: Site, now: datetime) -> dict[str, int]:
    """Renew tokens that end within the hour; return how many ended how."""
    with site.store.begin() as session:
        found = renewal.expiring(session, now)
    outcomes = [renewal.renew(site.store, site.keyring, site.plugins, each) for each in found]
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}


def end_logins(site: Site) -> int:
    """End logins of writers that no run needs: what ended their runs could not; return how many."""
    with site.store.begin() as session:
        found = session.scalars(select(Dataset)).all()
    return sum(_end_login(site, dataset) for dataset in places.open_logins(site, found))


def _end_login(site: Site, dataset: Dataset) -> bool:
    with holding(site.store, of_dataset(dataset.id)) as is_free:
        if is_free:
            places.end_login(site, dataset)
    return is_free


def purge(site: Site, now: datetime) -> None:
    """Forget old runs, events and jobs."""
    with site.store.begin() as session:
        runs.purge(session, now - expiry.KEEP_HISTORY)
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
    return done
