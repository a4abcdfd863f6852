"""``/operator/``: the queue, and what needs attention in the whole installation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from scout_control.rules.statuses import LIVE
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visitor

if TYPE_CHECKING:
    from collections.abc import Mapping

router = APIRouter(include_in_schema=False)
MOST_RUNS = 200
NEEDS_ATTENTION = frozenset({"failed", "attention"})


@router.get("/operator/")
def show(request: Request, visit: Visitor) -> Response:
    """Show how the installation fares."""
    access, now = visit.access, datetime.now(UTC)
    expiring = access.would_expire()  # for operators only: all else is decided by this
    data = access.status().synced_data
    runs = access.runs.list(limit=MOST_RUNS).items
    return page(
        request,
        "operator.html",
        visit=visit,
        live=[each for each in runs if each.status in set(LIVE)],
        troubled=[each for each in data if each["health"] in NEEDS_ATTENTION],
        due=[each for each in data if _is_due(each, now)],
        expiring=expiring,
        count=len(data),
    )


def _is_due(row: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a dataset waits for its next run."""
    at = row["next_sync_at"]
    is_waiting = at is not None and not row["is_paused"] and row["run"] is None
    return is_waiting and datetime.fromisoformat(at) <= now
