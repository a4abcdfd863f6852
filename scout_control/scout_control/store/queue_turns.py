"""Keeps the queue fair: no owner delays others by how much they queue or how long it takes.

Owners take turns: the k-th waiting or running run of each owner belongs to round k, whatever was
queued before. A run that has held a lane for its time slice gives it back when an owner with fewer
lanes waits; it resumes from its last STATE, behind its owner's other runs. The queries here collect
what holds for all workers together; ``rules.fairness`` decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from scout_control.rules import fairness
from scout_control.rules.fairness import Lane, WaitingRun

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable
    from datetime import timedelta

    from sqlalchemy.orm import Session

# Live runs with their owners, runs that hold a lane, and runs that a free lane could start now.
# A run whose heartbeat is overdue does not count as holding a lane: its worker may have died.
LIVE_RUNS = """
    WITH live AS MATERIALIZED (
        SELECT run.id, run.status, run.trigger, run.attempt, run.heartbeat_at, run.updated_at,
               coalesce(run.resume_at, run.updated_at) AS ready_at,
               coalesce('user ' || dataset.user_id, 'project ' || link.project_id) AS owner
          FROM scout_control.runs AS run
          JOIN scout_control.datasets AS dataset ON dataset.id = run.dataset_id
          JOIN scout_control.project_sources AS link ON link.id = dataset.project_source_id
         WHERE run.status IN ('queued', 'running', 'paused')
    ),
    job AS MATERIALIZED (
        SELECT id, status, priority, scheduled_at, args ->> 'run_id' AS run_id
          FROM scout_control.procrastinate_jobs
         WHERE queue_name = 'runs' AND status IN ('todo', 'doing')
           AND (scheduled_at IS NULL OR scheduled_at <= now())
    ),
    lane AS (
        SELECT live.id, owner, attempt, updated_at
          FROM live JOIN job ON run_id = live.id::text AND job.status = 'doing'
         WHERE live.status = 'running' AND heartbeat_at > now() - interval '60 seconds'
    ),
    waiting AS (
        SELECT job.id AS job_id, priority, owner, greatest(scheduled_at, ready_at) AS ready_at,
               trigger = 'manual' AND attempt = 0 AS is_manual
          FROM live JOIN job ON run_id = live.id::text AND job.status = 'todo'
         WHERE live.status IN ('queued', 'paused')
    )
"""
SELECT_WAITING = """
    , lanes AS (SELECT owner, count(*) AS number FROM lane GROUP BY owner)
    SELECT job_id, owner, priority, is_manual,
           extract(epoch FROM now() - ready_at)::float8, coalesce(lanes.number, 0)
      FROM waiting LEFT JOIN lanes USING (owner)
     WHERE CAST(:run AS text) IS NULL
        OR owner = (SELECT owner FROM live WHERE id::text = :run)
"""
SELECT_LANES_AND_WAITING = """
    SELECT id, owner, attempt, extract(epoch FROM now() - updated_at)::float8 FROM lane
    UNION ALL
    SELECT NULL, owner, NULL, max(extract(epoch FROM now() - ready_at))::float8
      FROM waiting GROUP BY owner
"""
# Skips jobs that a worker is fetching at this moment: they no longer wait.
UPDATE_PRIORITIES = """
    WITH changed AS (
        SELECT * FROM unnest(CAST(:jobs AS bigint[]), CAST(:priorities AS integer[]))
                      AS changed (job_id, priority)
    ),
    unlocked AS MATERIALIZED (
        SELECT id FROM scout_control.procrastinate_jobs
         WHERE status = 'todo' AND id IN (SELECT job_id FROM changed)
           FOR UPDATE SKIP LOCKED
    )
    UPDATE scout_control.procrastinate_jobs AS job SET priority = changed.priority
      FROM unlocked JOIN changed ON changed.job_id = unlocked.id
     WHERE job.id = unlocked.id
"""


def assign_priorities(session: Session, run_id: uuid.UUID | None = None) -> None:
    """Update the priorities of waiting jobs: all, or those of one run's owner."""
    rows = session.execute(
        text(LIVE_RUNS + SELECT_WAITING), {"run": str(run_id) if run_id else None}
    )
    changed = fairness.changed_priorities([WaitingRun(*row) for row in rows])
    if changed:
        session.execute(
            text(UPDATE_PRIORITIES),
            {"jobs": list(changed), "priorities": list(changed.values())},
        )


def is_lane_wanted(
    execute: Callable[[str, dict[str, Any]], list[tuple[Any, ...]]],
    run_id: uuid.UUID,
    time_slice: timedelta,
) -> bool:
    """Return whether a run should give up its lane now.

    Args:
        execute: Executes a query, such as ``Locks.execute``.
        run_id: The run.
        time_slice: How long a first attempt may keep its lane.
    """
    rows = execute(LIVE_RUNS + SELECT_LANES_AND_WAITING, {})
    lanes = [Lane(*row) for row in rows if row[0] is not None]
    waiting = {owner: seconds for id_, owner, _, seconds in rows if id_ is None}
    return fairness.should_yield(run_id, lanes, waiting, time_slice)
