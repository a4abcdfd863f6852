"""What a run is doing: phases with their seconds, counts, dbt's models, and waits.

Turns the reports of Meltano's log into progress events, and keeps what the heartbeat stores.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scout_control.meltano.reports import (
    Committed,
    ModelEnded,
    Notice,
    RuleOutcomes,
    StreamProgress,
    Wait,
    WaitEnded,
)
from scout_control.rules.json_values import to_json_value
from scout_control.rules.statuses import STAGES, Phase
from scout_control.runs.context import ProgressEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.meltano.reports import Report

MAX_NOTICES = 20
MESSAGES = {
    Phase.STARTED: "Preparing {source}",
    Phase.PROVISIONING: "Provisioning the dataset schema",
    Phase.DISCOVERING: "Discovering {source}",
    Phase.LOADING: "Loading from {source}",
    Phase.TRANSFORMING: "Running dbt transforms",
    Phase.FINISHING: "Counting rows",
}


class RunProgress:
    """The progress of one attempt at a run; read by the heartbeat's thread, too."""

    def __init__(
        self,
        source: str,
        *,
        has_transforms: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.phase = Phase.STARTED
        self.streams: dict[str, dict[str, int | None]] = {}
        self._read: dict[str, int] = {}
        self.source = source
        self.has_transforms = has_transforms
        self.models: tuple[int, int] | None = None
        """How many of dbt's models and tests have ended, and how many there are."""
        self.notices: list[Notice] = []
        """What people should see although they read no log."""
        self.column_rules: dict[str, bool] = {}
        """Which rules for columns have matched something."""
        self._wait: tuple[Wait, float] | None = None
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._entered_at = clock()

    def enter(self, phase: Phase) -> ProgressEvent:
        """Begin a phase."""
        self._seconds, self._entered_at = self.seconds(), self._clock()
        self.phase = phase
        self._wait = None
        return self._event(MESSAGES[phase].format(source=self.source))

    def update(self, reported: Report | Phase) -> ProgressEvent | None:
        """Take what the log reported.

        Returns:
            The event to pass on. None for what is shown at the end only, and for the end of a load
            that no transform follows: Meltano's log announces a transform phase after every load.
        """
        if isinstance(reported, Notice | RuleOutcomes):
            self._keep(reported)
            return None
        match reported:
            case Phase():
                if reported is Phase.TRANSFORMING and not self.has_transforms:
                    return None
                return self.enter(reported)
            case Wait():
                self._wait = (reported, self._clock())
                return self._event(f"Waiting: {reported.reason}")
            case ModelEnded(total):
                self.models = (min((self.models or (0, 0))[0] + 1, total), total)
                return self._event(f"dbt: {self.models[0]} of {total} models and tests")
            case WaitEnded():
                self._wait = None
            case StreamProgress():
                self._count(reported)
            case Committed(rows):
                for stream, number in rows.items():
                    self._counts(stream)["committed"] = number
                    self._set_fetched(stream)
        return self._loading()

    def seconds(self) -> dict[str, float]:
        """Return the seconds spent in each stage so far."""
        stage, spent = str(STAGES[self.phase]), self._clock() - self._entered_at
        return {**self._seconds, stage: self._seconds.get(stage, 0.0) + spent}

    def committed(self) -> dict[str, int]:
        """Return the rows of each stream that this attempt has committed."""
        counts = self.snapshot()
        return {name: each["committed"] for name, each in counts.items() if each["committed"]}

    def snapshot(self) -> dict[str, Any]:
        """Return a copy of the counts, which another thread may be changing."""
        return {name: dict(counts) for name, counts in list(self.streams.items())}

    def activity(self) -> dict[str, Any]:
        """Return what the store keeps beside phase and counts, as JSON."""
        found: dict[str, Any] = {
            "phases": {name: round(spent, 1) for name, spent in self.seconds().items()}
        }
        if self.models:
            found["models"] = dict(zip(("done", "total"), self.models, strict=True))
        if (wait := self.wait) is not None:
            found["wait"] = {"reason": wait.reason}
            if wait.seconds is not None:
                until = datetime.now(UTC) + timedelta(seconds=wait.seconds)
                found["wait"]["until"] = to_json_value(until)
        return found

    @property
    def wait(self) -> Wait | None:
        """The present wait, counted from now; None without one."""
        if self._wait is None:
            return None
        wait, began_at = self._wait
        passed = self._clock() - began_at
        left = None if wait.seconds is None else wait.seconds - passed
        if left is not None and left <= 0:
            return None
        return Wait(wait.reason, left, wait.waited_seconds + passed)

    def _keep(self, reported: Notice | RuleOutcomes) -> None:
        if isinstance(reported, RuleOutcomes):
            self.column_rules |= reported.matched
        elif reported not in self.notices and len(self.notices) < MAX_NOTICES:
            self.notices.append(reported)

    def _counts(self, stream: str) -> dict[str, int | None]:
        return self.streams.setdefault(stream, {"fetched": 0, "total": None, "committed": 0})

    def _count(self, reported: StreamProgress) -> None:
        stream = reported.stream
        self._read[stream] = self._read.get(stream, 0) + reported.records
        self._set_fetched(stream)
        if reported.total is not None:
            self._counts(stream)["total"] = reported.total

    def _set_fetched(self, stream: str) -> None:
        # A tap may report what it read once a minute only: what is committed was read.
        counts = self._counts(stream)
        counts["fetched"] = max(self._read.get(stream, 0), counts["committed"] or 0)

    def _loading(self) -> ProgressEvent:
        if self._wait is not None and self._wait[0].seconds is None:
            self._wait = None  # what came in has ended a wait without a known end
        if STAGES[self.phase] is STAGES[Phase.DISCOVERING]:
            return self.enter(Phase.LOADING)
        return self._event(MESSAGES[self.phase].format(source=self.source))

    def _event(self, message: str) -> ProgressEvent:
        return ProgressEvent(
            phase=self.phase,
            message=message,
            progress=self.snapshot(),
            seconds=self.seconds(),
            models=self.models,
            wait=self.wait,
        )
