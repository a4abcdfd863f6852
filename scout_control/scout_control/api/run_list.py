"""The latest runs: read without SQLAlchemy, whose import takes longer than all else here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scout_control.api import run_views
from scout_control.runs.context import is_interrupted
from scout_control.store import plain_reads, run_reads

if TYPE_CHECKING:
    from typing import Any

    from scout_control.installation.installation import Installation


def latest(
    installation: Installation, *, dataset: str | None = None, limit: int = 20
) -> list[run_views.Run]:
    """Return the latest runs, the newest first.

    Raises:
        NotFoundError: The dataset does not exist.
    """
    with plain_reads.opened(installation.url) as reader:
        rows = run_reads.latest(reader, dataset, limit)
        if dataset is not None and not rows:
            rows = run_reads.latest(reader, _full_name(installation, dataset), limit)
    now = datetime.now(UTC)
    return [_view(row, now) for row in rows]


def _full_name(installation: Installation, dataset: str) -> str:
    """Return the id of a dataset that has no run, or is named in another way."""
    from scout_control.store import lookups

    with installation.store.begin() as session:
        return str(lookups.dataset(session, dataset).id)


def _view(row: dict[str, Any], now: datetime) -> run_views.Run:
    worker = row.pop("worker")
    lost = is_interrupted(row["status"], worker, row["heartbeat_at"], now)
    return run_views.Run(is_interrupted=lost, **row)
