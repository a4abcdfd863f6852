"""Runs of earlier days, written into the store: pictures of runs need a history."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from scout_control.api.scout import Scout
from scout_control.store import models

PHASES = {"prepare": 0.1, "load": 0.6, "transform": 0.25, "finish": 0.05}


def add_past_runs(
    scout: Scout,
    dataset: str,
    hours_ago: Sequence[float],
    *,
    rows: int = 1000,
    streams: Sequence[str] = ("cases", "forms"),
    failed: Sequence[int] = (),
) -> None:
    """Write runs that ended these hours ago, each with some more rows than the one before.

    Args:
        scout: The installation.
        dataset: The id of the dataset.
        hours_ago: When the runs ended, the earliest first.
        rows: How many rows the table of a stream had after the first of them.
        streams: Its streams; each has half as many rows as the one before.
        failed: The places of those that failed.
    """
    now = datetime.now(UTC)
    with scout.installation.store.begin() as session:
        for place, hours in enumerate(hours_ago):
            counts = {each: (rows + place * 37) >> at for at, each in enumerate(streams)}
            session.add(_run(dataset, now - timedelta(hours=hours), place, counts, place in failed))


def _run(
    dataset: str, ended_at: datetime, place: int, counts: dict[str, int], is_failed: bool
) -> models.Run:
    seconds = 60 + place % 5 * 15
    started_at = ended_at - timedelta(seconds=seconds)
    result: dict[str, Any] = {
        "rows_in_tables": sum(counts.values()),
        "sources": {each: {"rows_in_table": count} for each, count in counts.items()},
        "phase_seconds": {each: round(seconds * share, 1) for each, share in PHASES.items()},
    }
    return models.Run(
        id=uuid.uuid4(),
        dataset_id=uuid.UUID(dataset),
        status="failed" if is_failed else "completed",
        phase="loading" if is_failed else "done",
        trigger="schedule",
        created_at=started_at,
        started_at=started_at,
        completed_at=ended_at,
        error_code="CONNECTION_ERROR" if is_failed else None,
        error_message="The server of the source did not answer." if is_failed else None,
        rows_loaded={} if is_failed else {each: 37 >> at for at, each in enumerate(counts)},
        result={} if is_failed else result,
    )
