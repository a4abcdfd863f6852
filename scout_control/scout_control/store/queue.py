"""The queue: Procrastinate on the store's own Postgres.

A job only says "look at this run": the run's own status decides whether there is anything to do, so
that a job that comes twice, or late, or to a worker that dies, does no harm. Jobs are queued in the
transaction that queues their runs.

Owners take turns: the k-th run of an owner that waits comes after the k-th of each other one; see
``queue_turns``.
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

logging.getLogger("procrastinate.periodic").setLevel(logging.WARNING)


def connector(store: Store, **pool: Any) -> PsycopgConnector:
    """Return the way to the queue's tables, which are in the store's schema."""
    from procrastinate import PsycopgConnector  # noqa: PLC0415 - takes a moment to load

    told = options(store.driver_url, session_settings.STORE)
    return PsycopgConnector(
        conninfo=store.driver_url,
        kwargs={"options": told, "application_name": "scout queue"},
        **pool,
    )


def defer(store: Store, session: Session, run_id: uuid.UUID, at: datetime | None = None) -> None:
    """Ask for a run to be looked at, now or at a moment, in its owner's turn; once is enough."""
    from procrastinate.exceptions import AlreadyEnqueued  # noqa: PLC0415 - takes a moment to load

    try:
        with session.begin_nested():
            _manager(store).defer_job(job=_job(run_id, at), connection=driver_connection(session))
    except AlreadyEnqueued:
        return
    queue_turns.take(session, run_id)


def defer_all(
    store: Store, session: Session, runs: Iterable[tuple[uuid.UUID, datetime | None]]
) -> None:
    """Ask for many new runs to be looked at, the owners in turn."""
    jobs = [_job(run_id, at) for run_id, at in runs]
    if jobs:
        _manager(store).batch_defer_jobs(jobs=jobs, connection=driver_connection(session))
        queue_turns.take(session)


def waiting(session: Session) -> set[str]:
    """Return the ids of the runs that a job is waiting for."""
    found = session.execute(
        text(
            "SELECT args ->> 'run_id' FROM scout_control.procrastinate_jobs "
            "WHERE status = 'todo' AND task_name = :task"
        ),
        {"task": RUN},
    )
    return set(found.scalars())


def purge(session: Session, before: datetime) -> None:
    """Forget jobs that ended long ago, and those of workers that died."""
    session.execute(OLD_JOBS, {"before": before})
    session.execute(ORPHANED_JOBS)


def _manager(store: Store) -> JobManager:
    from procrastinate.manager import JobManager  # noqa: PLC0415 - takes a moment to load

    return JobManager(connector(store))


def _job(run_id: uuid.UUID, at: datetime | None) -> Job:
    from procrastinate.jobs import Job  # noqa: PLC0415 - takes a moment to load

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
