"""What ``scout status`` reads of the store: five queries, whatever the number of datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scout_control.errors import NotFoundError
from scout_control.rules.session_settings import QUEUE_SESSION
from scout_control.rules.suggestions import near_paths

if TYPE_CHECKING:
    from scout_control.store.plain_reads import StoreReader

    Rows = list[dict[str, Any]]
    Ids = list[str] | None

PROJECT = "SELECT FROM scout_control.projects WHERE is_active AND id = %(project)s"
PROJECTS = "SELECT id FROM scout_control.projects WHERE is_active ORDER BY id"
SOURCES = """
    SELECT id::text, name, source_type, base_url, config, oauth_client_id,
           oauth_client_secret IS NOT NULL AS has_client_secret, is_active
      FROM scout_control.sources
     WHERE is_active AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s)) ORDER BY name
"""
LINKS = """
    SELECT link.project_id AS project, source.name AS source
      FROM scout_control.project_sources AS link
      JOIN scout_control.sources AS source ON source.id = link.source_id
     WHERE link.is_active
       AND (%(project)s::text IS NULL OR link.project_id = %(project)s)
       AND (%(projects)s::text[] IS NULL OR link.project_id = ANY(%(projects)s))
     ORDER BY link.project_id
"""
CREDENTIALS = """
    SELECT credential.id::text, source.name AS source, project_id AS project, user_id AS user,
           kind, is_valid, external_user_id AS account, token_expires_at, scopes, last_error,
           last_used_at
      FROM scout_control.credentials AS credential
      JOIN scout_control.sources AS source ON source.id = credential.source_id
     WHERE ((%(project)s::text IS NULL AND %(user)s::text IS NULL)
            OR project_id = %(project)s OR user_id = %(user)s)
       AND (%(ids)s::uuid[] IS NULL OR credential.id = ANY(%(ids)s))
     ORDER BY credential.created_at
"""
# The same datasets as of ``datasets.of_owner``, which a test compares.
DATASETS = """
    SELECT dataset.id::text, dataset.schema_name AS schema, alias, link.project_id AS project,
           source.name AS source, source.source_type, dataset.user_id AS user, dataset.status,
           is_paused, link.is_active AS is_linked, readers, row_counts, last_sync_at,
           CASE WHEN link.is_active THEN next_sync_at END AS next_sync_at, agreed_at, sync_error,
           coalesce(dataset.keep_hours, installation.keep_hours) AS keep_hours,
           greatest(last_activity_at, (
               SELECT max(touched_at) FROM scout_control.touches AS touch
                WHERE touch.schema_name = dataset.schema_name
           )) AS last_activity_at,
           live.id::text AS run_id, live.status AS run_status, live.phase, live.progress,
           live.activity, live.resume_at, live.heartbeat_at, live.worker,
           coalesce(live.resume_at, live.updated_at) AS run_since, ended.transform_error,
           coalesce(ended.is_partly_loaded, false) AS is_partly_loaded,
           credential.is_valid IS FALSE AS needs_reconnect,
           credential.last_error AS credential_error,
           rules.column_rules, link.sync_config AS link_config, source.config AS source_config
      FROM scout_control.datasets AS dataset
      JOIN scout_control.project_sources AS link ON link.id = dataset.project_source_id
      JOIN scout_control.sources AS source ON source.id = link.source_id
     CROSS JOIN scout_control.installation
      LEFT JOIN scout_control.runs AS live
        ON live.dataset_id = dataset.id AND live.status IN ('queued', 'running', 'paused')
      LEFT JOIN LATERAL (
           SELECT transform_error,
                  status = 'cancelled' AND rows_loaded <> '{}'::jsonb AS is_partly_loaded
             FROM scout_control.runs
            WHERE dataset_id = dataset.id AND status NOT IN ('queued', 'running', 'paused')
            ORDER BY created_at DESC LIMIT 1
      ) AS ended ON true
      LEFT JOIN LATERAL (
           SELECT result -> 'column_rules' AS column_rules FROM scout_control.runs
            WHERE (link.sync_config || source.config) ?| ARRAY['exclude_columns', 'hash_columns']
              AND dataset_id = dataset.id AND result ? 'column_rules'
            ORDER BY created_at DESC LIMIT 1
      ) AS rules ON true
      LEFT JOIN scout_control.credentials AS credential
        ON credential.source_id = source.id
       AND CASE WHEN dataset.user_id IS NULL THEN credential.project_id = link.project_id
                ELSE credential.user_id = dataset.user_id END
     WHERE (%(project)s::text IS NULL OR link.project_id = %(project)s)
       AND (%(user)s::text IS NULL OR dataset.user_id IS NULL OR dataset.user_id = %(user)s)
       AND (%(ids)s::uuid[] IS NULL OR dataset.id = ANY(%(ids)s))
     ORDER BY dataset.schema_name
"""
# The heartbeat of a worker that was killed is fresh for a minute, but its sessions end with it; a
# machine that lost its network has sessions for a while, but no heartbeat.
HAS_WORKER = """
    SELECT EXISTS (
        SELECT FROM scout_control.procrastinate_workers
         WHERE last_heartbeat > now() - interval '1 minute'
    ) AND EXISTS (
        SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = %(queue)s
    ) AS has_worker
"""
HISTORY = """
    SELECT run.dataset_id::text, run.id::text AS run_id, run.status, run.started_at,
           run.completed_at, run.transform_error IS NOT NULL AS has_transform_error
      FROM unnest(%(datasets)s::uuid[]) AS asked (dataset_id)
     CROSS JOIN LATERAL (
           SELECT * FROM scout_control.runs
            WHERE dataset_id = asked.dataset_id ORDER BY created_at DESC LIMIT %(limit)s
     ) AS run
     ORDER BY run.created_at
"""


def check_project(reader: StoreReader, project: str | None) -> None:
    """Check that a project exists, if one is named.

    Raises:
        NotFoundError: No active project has this id.
    """
    if project is not None and not reader.rows(PROJECT, {"project": project}):
        near = near_paths(project, (row["id"] for row in reader.rows(PROJECTS)))
        advice = f"{near} See: scout projects list".lstrip()
        raise NotFoundError(f"No project {project!r} exists.", advice)


def sources(reader: StoreReader, ids: Ids = None) -> Rows:
    """Return all active sources, or those with these ids."""
    return reader.rows(SOURCES, {"ids": ids})


def links(reader: StoreReader, project: str | None, projects: Ids = None) -> Rows:
    """Return which projects, or which of these, use which sources."""
    return reader.rows(LINKS, {"project": project, "projects": projects})


def credentials(
    reader: StoreReader, project: str | None, user: str | None, ids: Ids = None
) -> Rows:
    """Return the credentials of an owner, or all, or those with these ids; without secrets."""
    return reader.rows(CREDENTIALS, {"project": project, "user": user, "ids": ids})


def datasets(reader: StoreReader, project: str | None, user: str | None, ids: Ids = None) -> Rows:
    """Return the datasets that an owner may see, or those with these ids.

    Each has its run that has not ended.
    """
    return reader.rows(DATASETS, {"project": project, "user": user, "ids": ids})


def has_worker(reader: StoreReader) -> bool:
    """Return whether a worker is alive, and has lately told the queue so."""
    [row] = reader.rows(HAS_WORKER, {"queue": QUEUE_SESSION})
    return bool(row["has_worker"])


def history(reader: StoreReader, dataset_ids: list[str], limit: int) -> dict[str, Rows]:
    """Return the latest runs of each dataset, oldest first."""
    found: dict[str, Rows] = {}
    for row in reader.rows(HISTORY, {"datasets": dataset_ids, "limit": limit}):
        found.setdefault(row.pop("dataset_id"), []).append(row)
    return found
