"""What a worker logs about runs: a sentence for people, and its facts for programs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scout_control.rules.json_values import to_json_value
from scout_control.rules.statuses import RunStatus
from scout_control.rules.wording import counted
from scout_control.store import lookups

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.store.models import Run

FACTS = "facts"
"""The attribute of a log record that holds facts for programs."""
# Reasons that say nothing beside the message.
UNTOLD = frozenset({"failed", "internal error", ""})
OUTCOMES: Mapping[RunStatus, tuple[int, str]] = {
    RunStatus.COMPLETED: (logging.INFO, "completed in {took}: {rows}"),
    RunStatus.FAILED: (logging.ERROR, "failed after {took}: {why}"),
    RunStatus.PARTIAL: (logging.ERROR, "loaded only a part in {took} ({rows}): {why}"),
    RunStatus.PAUSED: (logging.WARNING, "paused after {took}, until {until}: {why}"),
    RunStatus.CANCELLED: (logging.INFO, "was cancelled after {took}"),
}
MODELS_FAILED = (logging.ERROR, "loaded {rows} in {took}; its models failed: {models}")


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One line of the log."""

    level: int
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def log_to(self, log: logging.Logger) -> None:
        """Write it; names of people's objects are no format of the logging module."""
        log.log(self.level, "%s", self.text, extra={FACTS: dict(self.facts)})


def ended(run: Run, seconds: float) -> RunLine:
    """Return the line about a run after an attempt of this many seconds."""
    path, error = lookups.path(run.dataset), run.result.get("error") or {}
    level, outcome = _outcome(run, f"{seconds:.0f} s")
    facts = {
        "event": f"run_{run.status}",
        "dataset": path,
        "run_id": str(run.id),
        "status": run.status,
        "seconds": round(seconds, 1),
        "rows_loaded": sum(run.rows_loaded.values()),
        "code": run.error_code,
        "reason": error.get("reason"),
        "error": run.error_message,
        "transform_error": run.transform_error,
        "resume_at": to_json_value(run.resume_at),
    }
    known = {name: value for name, value in facts.items() if value is not None}
    return RunLine(level=level, text=f"{path} {outcome}", facts=known)


def _outcome(run: Run, took: str) -> tuple[int, str]:
    status = RunStatus(run.status)
    level, text = OUTCOMES.get(status, (logging.INFO, "was stopped after {took}, and is {status}"))
    if status is RunStatus.COMPLETED and run.transform_error:
        level, text = MODELS_FAILED
    rows = counted(sum(run.rows_loaded.values()), "row")
    return level, text.format(
        took=took,
        status=status,
        rows=f"{rows} in {counted(len(run.rows_loaded), 'stream')}",
        why=_why(run),
        until=to_json_value(run.resume_at),
        models=run.transform_error,
    )


def _why(run: Run) -> str:
    """Return the reason in a few words, and the message if it says more."""
    reason = str((run.result.get("error") or {}).get("reason") or "")
    message = run.error_message or "see: scout runs list"
    return message if reason in UNTOLD else f"{reason} ({message})"
