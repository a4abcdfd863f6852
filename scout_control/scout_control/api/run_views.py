"""Views of runs and of the lines of their logs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scout_control.api.view import View
from scout_control.rules.json_values import to_json_value
from scout_control.rules.statuses import Stage
from scout_control.runs.context import is_interrupted

if TYPE_CHECKING:
    from scout_control.store import models
    from scout_control.store.run_logs import Entry


def active_run(run: models.Run) -> dict[str, Any]:
    """Return what the view of a dataset shows of its run that has not ended."""
    names = ("status", "phase", "progress", "activity", "resume_at")
    known = {name: to_json_value(getattr(run, name)) for name in names}
    return {"run_id": str(run.id), "is_interrupted": _is_interrupted(run), **known}


def _is_interrupted(run: models.Run) -> bool:
    return is_interrupted(run.status, run.worker, run.heartbeat_at, datetime.now(UTC))


@dataclass(frozen=True, kw_only=True)
class Run(View):
    """One execution for one dataset."""

    run_id: str
    dataset: str
    schema: str
    alias: str | None
    """The schema in which people find what is to be read."""
    status: str
    is_interrupted: bool
    """Whether it is ``running`` for the store, but its worker has ended or lost the store."""
    phase: str
    trigger: str
    attempt: int
    started_at: datetime | None
    completed_at: datetime | None
    resume_at: datetime | None
    heartbeat_at: datetime | None
    progress: dict[str, Any]
    activity: dict[str, Any]
    """While it runs: ``phases`` with their seconds, dbt's ``models``, what it ``wait``s for."""
    rows_loaded: dict[str, Any]
    """By stream, the rows that this run wrote; a row that was sent again counts again."""
    result: dict[str, Any]
    error_code: str | None
    error_message: str | None
    transform_error: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON representation: ``rows_loaded`` in total, ``sources`` per stream.

        ``rows_in_tables`` are those that the tables had when the run ended, of all runs together.
        """
        ended = self.result if self.result.get("status") == self.status else {}
        total = sum(self.rows_loaded.values())
        derived = {"seconds": self.seconds, "phase_seconds": self.phase_seconds}
        return {"sources": {}, **ended, **super().as_dict(), **derived, "rows_loaded": total}

    @property
    def rows_in_tables(self) -> int | None:
        """How many rows the tables had when it ended; None if unknown."""
        return self.result.get("rows_in_tables")

    @property
    def seconds(self) -> float | None:
        """How long it worked; None before it starts.

        Of a run that was interrupted in between, only the time that its attempts took.
        """
        if self.phase_seconds:
            return round(sum(self.phase_seconds.values()), 1)
        if self.started_at is None:
            return None
        ended_at = self.completed_at or self.heartbeat_at or self.started_at
        return max(0.0, round((ended_at - self.started_at).total_seconds(), 1))

    @property
    def phase_seconds(self) -> dict[str, float]:
        """The seconds of prepare, load, transform and finish, up to now."""
        found = self.activity.get("phases") or self.result.get("phase_seconds") or {}
        return {str(stage): found[stage] for stage in Stage if stage in found}

    @classmethod
    def of(cls, row: models.Run) -> Run:
        """Return the view of a stored run."""
        from scout_control.store import lookups

        return cls(
            run_id=str(row.id),
            dataset=lookups.path(row.dataset),
            schema=row.dataset.schema_name,
            alias=row.dataset.alias,
            status=row.status,
            is_interrupted=_is_interrupted(row),
            phase=row.phase,
            trigger=row.trigger,
            attempt=row.attempt,
            started_at=row.started_at,
            completed_at=row.completed_at,
            resume_at=row.resume_at,
            heartbeat_at=row.heartbeat_at,
            progress=row.progress,
            activity=row.activity,
            rows_loaded=row.rows_loaded,
            result=row.result,
            error_code=row.error_code,
            error_message=row.error_message,
            transform_error=row.transform_error,
        )


@dataclass(frozen=True, kw_only=True)
class LogLine(View):
    """One line of a run's log."""

    at: str
    """The moment, as RFC 3339 in UTC."""
    level: str
    source: str
    """Which plugin or program wrote it."""
    text: str

    @classmethod
    def of(cls, entry: Entry) -> LogLine:
        """Return the view of a stored entry."""
        return cls(at=entry.at, level=entry.level, source=entry.source, text=entry.text)

    @classmethod
    def gap(cls, at: str) -> LogLine:
        """Return the line that stands for those that were removed."""
        text = "(Lines left out: of a long log, the beginning and the end are kept.)"
        return cls(at=at, level="info", source="scout", text=text)
