"""Whose turn it is: no owner keeps others waiting by what they ask for, or by how long it takes.

Owners take turns in the queue: the k-th run that an owner has waiting or in a lane comes in round
k, whatever they queued before. And a run that has had a lane for a slice of time gives it back when
an owner with fewer lanes waits for one: it goes on from its last STATE, at the end of its owner's
runs. Both are asked of the store, so that they hold for all workers together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from scout_control.rules import fairness

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.orm import Session

# Runs with their owners; those that have a lane, and those that a free lane could take now.
ALIVE = """
    alive AS MATERIALIZED (
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
        SELECT alive.id, owner, attempt, updated_at
          FROM alive JOIN job ON run_id = alive.id::text AND job.status = 'doing'
         WHERE alive.status = 'running' AND heartbeat_at > now() - interval '60 seconds'
    ),
    lanes AS (SELECT owner, count(*) AS number FROM lane GROUP BY owner),
    waiting AS (
        SELECT job.id AS job_id, priority, owner, greatest(scheduled_at, ready_at) AS ready_at,
               trigger = 'manual' AND attempt = 0 AS is_wish
          FROM alive JOIN job ON run_id = alive.id::text AND job.status = 'todo'
         WHERE alive.status IN ('queued', 'paused')
    )
"""
TAKE = f"""
    WITH {ALIVE},
    turn AS (
        SELECT job_id, priority, is_wish, ready_at, coalesce(lanes.number, 0) AS lanes,
               row_number() OVER (PARTITION BY owner ORDER BY is_wish DESC, job_id) - 1 AS place
          FROM waiting LEFT JOIN lanes USING (owner)
         WHERE CAST(:run AS text) IS NULL
            OR owner = (SELECT owner FROM alive WHERE id::text = :run)
    ),
    changed AS (
        SELECT job_id, priority,
               CASE WHEN is_wish AND place < :wishes OR ready_at < now() - :longest_wait
                    THEN :urgent ELSE 0 END - lanes - place AS due
          FROM turn
    ),
    free AS MATERIALIZED (
        SELECT id FROM scout_control.procrastinate_jobs
         WHERE status = 'todo' AND id IN (SELECT job_id FROM changed WHERE priority <> due)
           FOR UPDATE SKIP LOCKED
    )
    UPDATE scout_control.procrastinate_jobs AS job SET priority = changed.due
      FROM free JOIN changed ON changed.job_id = free.id
     WHERE job.id = free.id
"""  # noqa: S608 - of constants
# The runs that have had their lanes for more than a slice, the longest first; as many of them as
# owners wait who have fewer lanes give theirs back.
IS_WANTED = f"""
    WITH {ALIVE},
    mine AS (
        SELECT lane.*, lanes.number FROM lane JOIN lanes USING (owner) WHERE lane.id = %(run)s
    ),
    poorer AS (
        SELECT DISTINCT waiting.owner
          FROM mine, waiting LEFT JOIN lanes USING (owner)
         WHERE waiting.owner <> mine.owner AND coalesce(lanes.number, 0) < mine.number
           AND waiting.ready_at <= now() - %(patience)s
    ),
    longest AS (
        SELECT lane.id FROM lane
         WHERE owner NOT IN (SELECT owner FROM poorer)
           AND updated_at <= now() - %(slice)s * least(power(2, attempt - 1), %(most)s)
         ORDER BY updated_at, id
         LIMIT (SELECT count(*) FROM poorer)
    )
    SELECT EXISTS (SELECT FROM longest JOIN mine USING (id))
"""  # noqa: S608 - of constants


def take(session: Session, run_id: uuid.UUID | None = None) -> None:
    """Give the runs that wait the places that are theirs: all, or those of one run's owner."""
    values: dict[str, Any] = {
        "run": str(run_id) if run_id else None,
        "wishes": fairness.MOST_WISHES,
        "longest_wait": fairness.LONGEST_WAIT,
        "urgent": fairness.URGENT,
    }
    session.execute(text(TAKE), values)


def question(run_id: uuid.UUID, slice_of_time: Any) -> dict[str, Any]:
    """Return what ``IS_WANTED`` is asked with."""
    return {
        "run": run_id,
        "slice": slice_of_time,
        "patience": min(fairness.PATIENCE, slice_of_time),
        "most": fairness.LONGEST_SLICES,
    }
