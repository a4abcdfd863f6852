"""Reports in the log how many rows are committed, at most once per interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_scout_postgres import logs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_scout_postgres.loading.load_log import Load

PROGRAM_INTERVAL_SECONDS = 1.0
"""Between two lines that a program reads."""
PERSON_INTERVAL_SECONDS = 10.0
"""Between two lines that a person reads, who starts the target in a pipe."""
EXTRA = "committed_rows"
"""The name under which JSON lines hold the rows by stream."""


class CommitReport:
    """The rows that this run has committed by stream, and which of them were reported."""

    def __init__(self) -> None:
        self._is_for_program = logs.is_structured()
        self._interval_seconds = (
            PROGRAM_INTERVAL_SECONDS if self._is_for_program else PERSON_INTERVAL_SECONDS
        )
        self._unreported: dict[str, int] = {}
        # The first report of a person's run is due after the interval, else after the first commit.
        self._reported_at = float("-inf") if self._is_for_program else None

    def committed(self, loads: Iterable[Load], now: float, *, is_end: bool = False) -> None:
        """Take what a commit made durable, and log it when a line is due."""
        if self._reported_at is None:
            self._reported_at = now
        self._unreported |= {load.stream: load.rows for load in loads}
        # At its end, people read the summary.
        is_due = (
            is_end and self._is_for_program
        ) or now - self._reported_at >= self._interval_seconds
        if self._unreported and is_due:
            self._reported_at = now
            counts = ", ".join(f"{name} {rows}" for name, rows in self._unreported.items())
            logs.info(f"committed: {counts}", {EXTRA: self._unreported})
            self._unreported = {}
