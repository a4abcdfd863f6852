"""The progress of a run as the protocol has it: a number that grows, a total, a sentence. Pure.

The steps are to provision, to discover, to load each stream, and to transform. How many streams
there are is known once they begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from scout_control.rules.statuses import STAGES, Phase, RunStatus, Stage
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.api.views import Run

BEFORE, AFTER = 2, 1
"""The steps before and after the loading of streams."""
SHOWN_STREAMS = 2
HALF_WAY_ROWS = 1_000
"""After this many rows, a stream of unknown length counts as half loaded."""
MESSAGES = {
    Phase.STARTED: "Provisioning schema for {dataset}",
    Phase.PROVISIONING: "Provisioning schema for {dataset}",
    Phase.DISCOVERING: "Discovering {dataset}",
    Phase.LOADING: "Loading {dataset}",
    Phase.TRANSFORMING: "Running dbt transforms",
    Phase.FINISHING: "Counting rows",
    Phase.DONE: "Counting rows",
}
ENDED = frozenset(str(each) for each in RunStatus) - {RunStatus.QUEUED, RunStatus.RUNNING}
"""Statuses in which nothing happens until someone acts or a moment comes."""


class Progress(NamedTuple):
    """How far a run is."""

    progress: float
    total: float
    message: str


def of_run(run: Run) -> Progress:
    """Return how far a run is."""
    streams = max(1, len(run.progress))
    total = float(BEFORE + streams + AFTER)
    if run.status in ENDED:
        return Progress(total, total, f"{run.dataset}: {run.status}")
    if run.status == RunStatus.QUEUED:
        return Progress(0.0, total, _waiting(run))
    return Progress(_steps(run, streams), total, _message(run))


def _steps(run: Run, streams: int) -> float:
    phase = Phase(run.phase)
    loaded = sum(_share(each) for each in run.progress.values())
    models = run.activity.get("models") or {"done": 0, "total": 1}
    built = float(models["done"]) / max(1, models["total"])
    steps: Mapping[Stage, float] = {
        Stage.PREPARE: 1.0 if phase is Phase.DISCOVERING else 0.0,
        Stage.LOAD: BEFORE + loaded,
        Stage.TRANSFORM: BEFORE + streams + 0.9 * built,
        Stage.FINISH: BEFORE + streams + 0.95,
    }
    return steps[STAGES[phase]]


def _share(counts: Mapping[str, Any]) -> float:
    """Return which part of a stream is loaded; below 1 where its length is not known."""
    fetched, total = int(counts.get("fetched") or 0), counts.get("total")
    return min(1.0, float(fetched) / total) if total else fetched / (fetched + HALF_WAY_ROWS)


def _waiting(run: Run) -> str:
    if reason := (run.activity.get("wait") or {}).get("reason"):
        return f"Waiting: {reason}"
    return f"Waiting for a worker to load {run.dataset}"


def _message(run: Run) -> str:
    phase, models = Phase(run.phase), run.activity.get("models")
    if reason := (run.activity.get("wait") or {}).get("reason"):
        return f"Waiting: {reason}"
    if phase is Phase.LOADING and run.progress:
        return f"Loading {_streams(run.progress)}"
    if phase is Phase.TRANSFORMING and models:
        done, all_of_them = models["done"], models["total"]
        return f"Running dbt transforms: {done:,} of {all_of_them:,} models and tests"
    return MESSAGES[phase].format(dataset=run.dataset)


def _streams(progress: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the latest streams that are not complete, and how many others there are."""
    incomplete = [each for each in progress.items() if _share(each[1]) < 1.0]
    shown = (incomplete or list(progress.items()))[-SHOWN_STREAMS:]
    others = len(progress) - len(shown)
    more = f" and {counted(others, 'other stream')}" if others else ""
    return ", ".join(_stream(*each) for each in shown) + more


def _stream(name: str, counts: Mapping[str, Any]) -> str:
    fetched, total = counts.get("fetched") or 0, counts.get("total")
    return f"{name} {fetched:,} of {total:,}" if total else f"{name} {fetched:,}"


class Growing:
    """Lets through what the protocol allows: a number that is larger than the last one."""

    def __init__(self) -> None:
        self._last = -1.0

    def next(self, run: Run) -> Progress | None:
        """Return the progress of a run if it has grown."""
        found = of_run(run)
        if found.progress <= self._last:
            return None
        self._last = found.progress
        return found
