"""Converts reports in Meltano's log to progress events, and keeps counts for the heartbeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scout_control.rules.statuses import Phase
from scout_control.runs.context import ProgressEvent

if TYPE_CHECKING:
    from scout_control.meltano.log import StreamProgress

MESSAGES = {
    Phase.DISCOVERING: "Discovering {source}",
    Phase.LOADING: "Loading from {source}",
    Phase.TRANSFORMING: "Running dbt transforms",
}


class RunProgress:
    """The phase of a run, and how many records of each stream it has read."""

    def __init__(self, source: str, *, has_transforms: bool) -> None:
        self.phase = Phase.DISCOVERING
        self.streams: dict[str, dict[str, int | None]] = {}
        self._source = source
        self._has_transforms = has_transforms

    def enter(self, phase: Phase) -> ProgressEvent:
        """Begin a phase."""
        self.phase = phase
        return self._event(MESSAGES[phase].format(source=self._source))

    def update(self, reported: StreamProgress | Phase) -> ProgressEvent | None:
        """Count what the log reported.

        Returns:
            The event to pass on. None for the end of a load that no transform follows: Meltano's
            log announces a transform phase after every load.
        """
        if isinstance(reported, Phase):
            if reported is Phase.TRANSFORMING and not self._has_transforms:
                return None
            return self.enter(reported)
        counts = self.streams.setdefault(reported.stream, {"fetched": 0, "total": None})
        counts["fetched"] = (counts["fetched"] or 0) + reported.records
        if reported.total is not None:
            counts["total"] = reported.total
        self.phase = Phase.LOADING
        return self._event(f"Loading {reported.stream}")

    def snapshot(self) -> dict[str, Any]:
        """Return a copy of the counts, which another thread may be changing."""
        return {name: dict(counts) for name, counts in list(self.streams.items())}

    def _event(self, message: str) -> ProgressEvent:
        return ProgressEvent(phase=self.phase, message=message, progress=self.snapshot())
