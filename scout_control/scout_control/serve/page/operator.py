"""``/operator/``: the queue, workers, what needs attention, and what the checks find."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from scout_control.errors import BusyError
from scout_control.rules.statuses import LIVE
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visitor
from scout_control.serve.pools import Slowly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_control.api.views import Finding

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
    workers = access.workers()
    return page(
        request,
        "operator.html",
        visit=visit,
        live=[each for each in runs if each.status in set(LIVE)],
        workers=[each for each in workers if each.is_alive],
        lost=[each for each in workers if not each.is_alive],
        troubled=[each for each in data if each["health"] in NEEDS_ATTENTION],
        due=[each for each in data if _is_due(each, now)],
        expiring=expiring,
        count=len(data),
    )


@router.get("/operator/checks/")
async def show_checks(request: Request, visit: Visitor, slow: Slowly) -> Response:
    """Show what the checks of the installation find; a page asks for it as a part."""
    is_part = "hx-request" in request.headers

    def render() -> Response:
        try:
            found = visit.access.doctor()
        except BusyError:
            found = None
        return page(
            request,
            "checks.html" if is_part else "checks_page.html",
            visit=visit,
            checked_at=found.checked_at if found else None,
            problems=_sorted(found.findings, is_well=False) if found else (),
            well=_sorted(found.findings, is_well=True) if found else (),
        )

    return await slow.run(render)


def _sorted(findings: Sequence[Finding], *, is_well: bool) -> Sequence[Finding]:
    return [each for each in findings if each.is_well is is_well]


def _is_due(row: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a dataset waits for its next run."""
    at = row["next_sync_at"]
    is_waiting = at is not None and not row["is_paused"] and row["run"] is None
    return is_waiting and datetime.fromisoformat(at) <= now
