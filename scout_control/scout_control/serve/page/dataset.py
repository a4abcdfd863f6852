"""``/datasets/ID/``: how a dataset fares, with pictures of its runs; ``/runs/ID/``: one run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from scout_control.errors import NotFoundError
from scout_control.rules.credential_kinds import OAUTH
from scout_control.serve.page import charts, freshness, overview, run_log
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visit, Visitor

if TYPE_CHECKING:
    from collections.abc import Mapping

router = APIRouter(include_in_schema=False)
Key = Annotated[str, Path(max_length=500)]
MOST_RUNS = 40


@router.get("/datasets/{dataset}/")
def show(request: Request, visit: Visitor, dataset: Key) -> Response:
    """Show how a dataset fares, and its latest runs."""
    access, now = visit.access, datetime.now(UTC)
    [row] = access.status(dataset=dataset).synced_data
    runs = access.runs.list(dataset=row["id"], limit=MOST_RUNS).items
    hours = _interval_hours(visit, row)
    ended = [each for each in runs if each.completed_at is not None]
    last = next((each for each in ended if charts.shares(each)), None)
    return page(
        request,
        "dataset.html",
        visit=visit,
        seen=overview.of_dataset(visit.grants, row, _is_oauth(visit, row)),
        data=row,
        tab="overview",
        may_pause=visit.may("datasets.pause", row),
        hours=hours,
        runs=runs,
        last=last,
        has_ended=bool(ended),
        shares=charts.shares(last) if last else (),
        share_chart=charts.share_chart(last) if last else (),
        charts=[
            each for each in (charts.durations(runs), freshness.chart(runs, hours, now)) if each
        ],
        phases=charts.PHASES,
        row_charts=charts.rows(runs),
        gaps=freshness.gaps(runs, hours, now, is_paused=row["is_paused"]) if hours else (),
    )


@router.post("/datasets/{dataset}/pause/")
def pause(visit: Visitor, dataset: Key) -> Response:
    """Pause the schedule of a dataset, or resume it."""
    found = visit.access.datasets.pause(dataset, is_paused=visit.form.get("paused") == "1")
    return RedirectResponse(f"/datasets/{found.id}/", status_code=303)


@router.get("/runs/{run}/")
def show_run(request: Request, visit: Visitor, run: Key) -> Response:
    """Show a run: how it ended, and its log."""
    found = visit.access.runs.show(run)
    lines = visit.access.runs.logs(run)
    first = run_log.first_failing(lines) if found.error_message or found.transform_error else None
    return page(
        request,
        "run.html",
        visit=visit,
        run=found,
        lines=run_log.shortened(lines, first),
        first=first,
        failing=lines[first] if first is not None else None,
        total=len(lines),
        shares=charts.shares(found),
        share_chart=charts.share_chart(found),
    )


def _is_oauth(visit: Visit, row: Mapping[str, Any]) -> bool | None:
    """Return whether its account is connected at the source; None if it need not be."""
    if not row["needs_reconnect"]:
        return None
    return visit.access.credentials.default_kind(row["source"]) == OAUTH


def _interval_hours(visit: Visit, row: Mapping[str, Any]) -> int | None:
    """Return how often a dataset is read; None if its project does not use its source any more."""
    try:
        return visit.access.links.show(row["project"], row["source"]).refresh_interval_hours
    except NotFoundError:
        return None
