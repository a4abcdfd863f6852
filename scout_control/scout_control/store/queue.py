"""The job queue: Procrastinate in the store's own Postgres.

A job only means "look at this run". The run's status decides whether there is anything to do, so a
job that is duplicated, late or lost with its worker does no harm. Jobs are enqueued in the same
transaction as their runs. Owners take turns, see ``queue_turns``.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from scout_control.rules import session_settings
from scout_control.store import queue_turns
from scout_control.store.database import driver_connection
from scout_control.store.postgres import options

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable

    from procrastinate import PsycopgConnector
    from procrastinate.jobs import Job
    from procrastinate.manager import JobManager
    from sqlalchemy.orm import Session

    from scout_control.store.database import Store

RUNS, UPKEEP = "runs", "upkeep"
RUN = "run"
OLD_JOBS = text("""
    DELETE FROM scout_control.procrastinate_jobs
     WHERE status NOT IN ('todo', 'doing')
       AND NOT EXISTS (
           SELECT FROM scout_control.procrastinate_events
            WHERE job_id = procrastinate_jobs.id AND at > :before
       )
""")
ORPHANED_JOBS = text("""
    DELETE FROM scout_control.procrastinate_jobs AS job
     WHERE status = 'doing'
       AND NOT EXISTS (
           SELECT FROM scout_control.procrastinate_workers AS worker
            WHERE worker.id = job.worker_id AND last_heartbeat > now() - interval '2 minutes'
       )
""")
WORKERS = text("""
    SELECT worker.id, worker.last_heartbeat AS last_seen_at,
           last_heartbeat > now() - interval '1 minute' AS is_alive,
           coalesce(array_agg(job.args ->> 'run_id' ORDER BY job.id)
                    FILTER (WHERE job.task_name = :task), ARRAY[]::text[]) AS runs
      FROM scout_control.procrastinate_workers AS worker
      LEFT JOIN scout_control.procrastinate_jobs AS job
        ON job.worker_id = worker.id AND job.status = 'doing'
     GROUP BY worker.id
     ORDER BY worker.last_heartbeat DESC, worker.id
     LIMIT :most
""")
MOST_WORKERS = 500

logging.getLogger("procrastinate.periodic").setLevel(logging.WARNING)


def connector(store: Store, **pool: Any) -> PsycopgConnector:
    """Return Procrastinate's connector to its tables in the store's schema."""
    from procrastinate import PsycopgConnector

    session_options = options(store.driver_url, session_settings.STORE)
    return PsycopgConnector(
        conninfo=store.driver_url,
        kwargs={"options": session_options, "application_name": session_settings.QUEUE_SESSION},
        **pool,
    )


def defer(store: Store, session: Session, run_id: uuid.UUID, at: datetime | None = None) -> None:
    """Enqueue a job for a run, now or at a time, unless one is enqueued; then update priorities."""
    from procrastinate.exceptions import AlreadyEnqueued

    try:
        with session.begin_nested():
            _manager(store).defer_job(job=_job(run_id, at), connection=driver_connection(session))
    except AlreadyEnqueued:
        return
    queue_turns.assign_priorities(session, run_id)


def defer_all(
    store: Store, session: Session, runs: Iterable[tuple[uuid.UUID, datetime | None]]
) -> None:
    """Enqueue jobs for many new runs and update all priorities."""
    jobs = [_job(run_id, at) for run_id, at in runs]
    if jobs:
        _manager(store).batch_defer_jobs(jobs=jobs, connection=driver_connection(session))
        queue_turns.assign_priorities(session)


def waiting(session: Session) -> set[str]:
    """Return the ids of runs with an enqueued job."""
    run_ids = session.execute(
        text(
            "SELECT args ->> 'run_id' FROM scout_control.procrastinate_jobs "
            "WHERE status = 'todo' AND task_name = :task"
        ),
        {"task": RUN},
    )
    return set(run_ids.scalars())


def workers(session: Session) -> list[dict[str, Any]]:
    """Return the workers, at most 500, the latest sign of life first.

    One that was killed is listed until another, or the background jobs, notice that it is silent.
    """
    found = session.execute(WORKERS, {"task": RUN, "most": MOST_WORKERS})
    return [dict(row) for row in found.mappings()]


def purge(session: Session, before: datetime) -> None:
    """Delete jobs that ended long ago, and jobs of dead workers."""
    session.execute(OLD_JOBS, {"before": before})
    session.execute(ORPHANED_JOBS)


def _manager(store: Store) -> JobManager:
    from procrastinate.manager import JobManager

    return JobManager(connector(store))


def _job(run_id: uuid.UUID, at: datetime | None) -> Job:
    from procrastinate.jobs import Job

    return Job(
        id=None,
        queue=RUNS,
        task_name=RUN,
        lock=None,
        queueing_lock=f"{RUN} {run_id}",
        priority=0,
        scheduled_at=at,
        task_kwargs={"run_id": str(run_id)},
    )
