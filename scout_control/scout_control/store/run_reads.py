"""What ``scout runs list`` reads of the store, with the driver alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scout_control.store.plain_reads import StoreReader

# The same order as of ``runs.latest``.
LATEST = """
    SELECT run.id::text AS run_id, path AS dataset, dataset.schema_name AS schema, alias,
           run.status, phase, trigger, attempt, started_at, completed_at, resume_at, heartbeat_at,
           worker, progress, activity, rows_loaded, result, error_code, error_message,
           transform_error
      FROM scout_control.runs AS run
      JOIN scout_control.datasets AS dataset ON dataset.id = run.dataset_id
      JOIN scout_control.project_sources AS link ON link.id = dataset.project_source_id
      JOIN scout_control.sources AS source ON source.id = link.source_id
     CROSS JOIN LATERAL concat_ws('/', link.project_id, source.name, dataset.user_id) AS path
     WHERE %(dataset)s::text IS NULL
        OR %(dataset)s IN (path, dataset.schema_name, alias, dataset.id::text)
     ORDER BY greatest(run.created_at, run.started_at) DESC, run.created_at DESC, run.id
     LIMIT %(limit)s
"""


def latest(reader: StoreReader, dataset: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the latest runs, of all datasets or of one, newest first.

    Args:
        reader: The store.
        dataset: The path, schema, alias or id of a dataset, as it is written in full.
        limit: The most runs.
    """
    return reader.rows(LATEST, {"dataset": dataset, "limit": limit})
