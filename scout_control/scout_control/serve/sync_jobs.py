"""``/api/datasources/sync-jobs/``: runs, their logs, and what happens in them, live."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from scout_control.api.views import LogLine
from scout_control.serve.documents import (
    DEFAULT_LIMIT,
    After,
    Key,
    Limit,
    OfDataset,
    PageOf,
    RunDocument,
)
from scout_control.serve.operations import offered
from scout_control.serve.run_events import Events
from scout_control.serve.sign_in import SignedIn

router = APIRouter(prefix="/api/datasources/sync-jobs", tags=["sync-jobs"])


class Log(BaseModel):
    """The lines of a run's log, which is bounded: of a long one, the middle is left out."""

    items: list[LogLine]
    next: str | None = Field(default=None, description="Null: all lines are here.")


class Waiting(BaseModel):
    """The place in the queue."""

    waiting_before: int = Field(description="Queued runs that have waited longer.")


@router.get("/", **offered("runs.list"))
def list_runs(
    access: SignedIn, dataset: OfDataset = None, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[RunDocument]:
    """List the runs that you may see, the newest first."""
    found = access.runs.list(dataset=dataset, after=after, limit=limit)
    return PageOf(items=[RunDocument.of(each) for each in found.items], next=found.next)


@router.get("/{run}/", **offered("runs.show"))
def show_run(access: SignedIn, run: Key) -> RunDocument:
    """Show a run."""
    return RunDocument.of(access.runs.show(run))


@router.post("/{run}/cancel/", **offered("runs.cancel", changes=True))
def cancel_run(access: SignedIn, run: Key) -> RunDocument:
    """Cancel a run; what it committed stays."""
    return RunDocument.of(access.runs.cancel(run))


@router.get("/{run}/logs/", **offered("runs.logs"))
def show_logs(access: SignedIn, run: Key) -> Log:
    """Show the log of a run."""
    return Log(items=list(access.runs.logs(run)))


@router.get("/{run}/waiting/", **offered("runs.waiting_before"))
def show_waiting(access: SignedIn, run: Key) -> Waiting:
    """Show how many queued runs have waited longer than this one."""
    return Waiting(waiting_before=access.runs.waiting_before(run))


@router.get(
    "/{run}/events/", response_class=EventSourceResponse, **offered("runs.follow", is_stream=True)
)
async def follow_run(events: Events) -> AsyncIterator[ServerSentEvent]:
    """Follow a run until it ends: `run`, `log`, and at last `end`; or `error`.

    `run` has the run as it is, when that has changed; `log` a line of its log. A stream ends after
    ten minutes; a browser then continues where it was, by `Last-Event-ID`.
    """
    async for event in events:
        yield event
