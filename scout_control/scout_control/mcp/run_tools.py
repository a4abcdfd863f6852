"""Tools about runs: queue and follow, show, cancel.

The server executes no run: a worker does. What happens to a client changes no run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from scout_control.errors import ConflictError, SettingsError
from scout_control.mcp import results
from scout_control.mcp.envelope import Answer
from scout_control.mcp.progress import ENDED, Growing, of_run
from scout_control.rules.remedies import Surface, by_surface
from scout_control.rules.statuses import LIVE, RunStatus
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from scout_control.access.access import Access
    from scout_control.api.views import Run
    from scout_control.mcp import arguments
    from scout_control.mcp.caller import Caller

POLL_SECONDS = 0.5
WAITS = (
    "It is queued until a worker takes it; {before} older. If it stays so, ask the "
    "person who runs this installation to start one: scout worker"
)
RUNS = "It continues. Ask again: get_materialization_status with {run_id}"
PAUSED = "The source limits requests; a worker continues: {at}."


async def run_materialization(caller: Caller, given: arguments.OfMaterialization) -> Answer:
    """Queue a run, follow it with progress for a while, and return it as it is then."""
    run = await caller.run(
        lambda access: access.runs.queue(given.dataset, full_refresh=given.full_refresh)
    )
    run_id, growing = run.run_id, Growing()
    with anyio.move_on_after(given.wait_seconds):
        while True:
            if progress := growing.next(run):
                await caller.report(progress)
            if run.status in ENDED:
                break
            await anyio.sleep(POLL_SECONDS)
            run = await caller.run(lambda access: access.runs.show(run_id))
    return await caller.run(lambda access: _shown(access, access.runs.show(run_id)))


def get_materialization_status(access: Access, given: arguments.OfRun) -> Answer:
    """Return a run."""
    return _shown(access, access.runs.show(given.run_id))


def cancel_materialization(access: Access, given: arguments.OfRun) -> Answer:
    """Cancel a run; what it committed stays.

    Raises:
        SettingsError: It has ended.
    """
    try:
        return _shown(access, access.runs.cancel(given.run_id))
    except ConflictError:
        run = access.runs.show(given.run_id)
        raise SettingsError(
            f"Run '{run.run_id}' is not in progress (state: {run.status}).", "Nothing to cancel."
        ) from None


def _shown(access: Access, run: Run) -> Answer:
    is_queued = run.status == RunStatus.QUEUED
    before = access.runs.waiting_before(run.run_id) if is_queued else 0
    return Answer(shown(run, before), run.schema)


def shown(run: Run, before: int) -> results.Materialization:
    """Return a run as it is answered.

    Args:
        run: The run.
        before: How many runs have waited longer for a worker.
    """
    document = run.as_dict()
    if document["error_message"]:  # which ends with what to do
        document["error_message"] = by_surface(document["error_message"], Surface.AGENTS)
    names = results.Materialization.model_fields.keys() & document.keys()
    return results.Materialization(
        **{name: document[name] for name in names},
        is_finished=run.status not in LIVE,
        message=_message(run, before),
    )


def _message(run: Run, before: int) -> str:
    if run.status == RunStatus.QUEUED and not run.activity.get("wait"):
        return WAITS.format(before=counted(before, "run is", "runs are"))
    if run.status == RunStatus.PAUSED:
        return PAUSED.format(at=run.resume_at.isoformat() if run.resume_at else "once it may")
    now = of_run(run).message
    return now if run.status not in LIVE else f"{now}. {RUNS.format(run_id=run.run_id)}"
