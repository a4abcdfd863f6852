"""How far a run is, for people: lines with counts, rate and remaining time. Pure.

A page is rendered anew each time, so the rate is that of the whole load so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.api.progress_bars import duration
from scout_control.rules.statuses import STAGES, Phase, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_STREAMS = 8
SHORTEST_RATE_SECONDS = 2.0
HEADLINES = {
    Stage.PREPARE: "Preparing",
    Stage.LOAD: "Loading",
    Stage.TRANSFORM: "Making typed tables",
    Stage.FINISH: "Counting rows",
}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One line: what is loaded, and how far it is."""

    text: str
    value: int
    most: int | None
    """The total; None if it is not known."""
    remark: str = ""
    """The rate, and the remaining time."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What is known of a run that has not ended."""

    headline: str
    bars: tuple[Bar, ...] = ()


def of_run(run: Mapping[str, Any]) -> Progress:
    """Return the progress of the active run of a dataset's view."""
    if run.get("is_interrupted"):
        return Progress(headline="Interrupted: a worker will resume it")
    if run["status"] != "running":
        return Progress(headline=_waiting(run))
    activity, stage = run.get("activity") or {}, _stage(run.get("phase"))
    wait = activity.get("wait")
    bars = _models(activity) if stage is Stage.TRANSFORM else ()
    if stage is Stage.LOAD:
        bars = _streams(run, activity)
    return Progress(headline=f"Waiting: {_reason(wait)}" if wait else HEADLINES[stage], bars=bars)


def _waiting(run: Mapping[str, Any]) -> str:
    if run["status"] == "queued":
        return "Waiting for a worker"
    return f"Paused by the source until {run.get('resume_at') or 'later'}"


def _stage(phase: str | None) -> Stage:
    return STAGES[Phase(phase)] if phase in set(Phase) else Stage.PREPARE


def _streams(run: Mapping[str, Any], activity: Mapping[str, Any]) -> tuple[Bar, ...]:
    seconds = float((activity.get("phases") or {}).get(Stage.LOAD) or 0)
    found = [_stream(name, each, seconds) for name, each in (run.get("progress") or {}).items()]
    if len(found) <= MOST_STREAMS:
        return tuple(found)
    rest = sum(each.value for each in found[MOST_STREAMS:])
    more = len(found) - MOST_STREAMS
    return (*found[:MOST_STREAMS], Bar(text=f"{more} more: {rest:,} rows", value=rest, most=None))


def _stream(name: str, counts: Mapping[str, Any], seconds: float) -> Bar:
    """Return a line such as "Loading cases 450 of 1,200"."""
    fetched = int(counts.get("fetched") or 0)
    shown, total = int(counts.get("committed") or 0) or fetched, counts.get("total")
    if total is not None and total < fetched:
        total = None  # the source has more rows than it announced
    text = f"Loading {name} {shown:,}" + (f" of {total:,}" if total else "")
    is_moving = seconds >= SHORTEST_RATE_SECONDS and shown and shown != total
    remark = ""
    if is_moving:
        rate = shown / seconds
        remark = f"{rate:,.0f} rows/s"
        if total:
            remark += f", {duration((total - shown) / rate)} left"
    return Bar(text=text, value=shown, most=total, remark=remark)


def _models(activity: Mapping[str, Any]) -> tuple[Bar, ...]:
    models = activity.get("models") or {}
    done, total = models.get("done", 0), models.get("total")
    if not total:
        return ()
    return (Bar(text=f"{done} of {total} models and tests", value=done, most=total),)


def _reason(wait: Any) -> str:
    return str(wait.get("reason") if isinstance(wait, dict) else wait)
