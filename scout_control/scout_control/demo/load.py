"""One run of the demo: shows its progress, and kills the loader if asked."""

from __future__ import annotations

import signal
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from scout_control.api.progress_display import shown_progress
from scout_control.datasets import query
from scout_control.datasets.schema_contents import Load, SchemaContents
from scout_control.rules.statuses import Phase, RunStatus
from scout_control.rules.wording import interruption
from scout_control.runs.execute import attempt_ids
from scout_control.store import lookups

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scout_control.api.scout import Scout
    from scout_control.api.views import Run
    from scout_control.demo.display import Display
    from scout_control.runs.context import ProgressEvent

LOADER = "target-scout-postgres"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class LoaderKiller:
    """Kills the loader once it has committed something."""

    rows: int | None = None
    """How many rows were committed when it was killed."""

    def on_progress(self, event: ProgressEvent) -> None:
        """Kill it at the first event that tells of committed rows."""
        committed = sum(each.get("committed") or 0 for each in event.progress.values())
        if event.phase is Phase.LOADING and committed and self.rows is None:
            self._kill(committed)

    def _kill(self, rows: int) -> None:
        """Send SIGKILL to the loader, a descendant of this process.

        Its arguments name its program by a path; Meltano's name the plugin, without one.
        """
        for process in psutil.Process().children(recursive=True):
            try:
                if any(word.endswith(f"/{LOADER}") for word in process.cmdline()):
                    process.kill()
                    self.rows = rows
            except psutil.NoSuchProcess:
                continue


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One run of the demo's dataset."""

    run: Run
    loads: list[Load]
    """The rows that it committed, by stream."""
    rows_when_killed: int | None

    @property
    def seconds(self) -> float:
        """Return how long the run took."""
        started, completed = self.run.started_at, self.run.completed_at
        return (completed - started).total_seconds() if started and completed else 0.0

    @property
    def error(self) -> str | None:
        """Return why the run, or its transform, failed."""
        run = self.run
        if run.transform_error or run.status == RunStatus.COMPLETED:
            return run.transform_error
        # A run that someone cancelled has no error.
        return run.error_message or f"The run ended with the status {run.status}."


def load(
    scout: Scout,
    dataset: str,
    display: Display,
    log_file: Path,
    *,
    kill_loader: bool = False,
) -> Loaded:
    """Run the dataset once, as ``scout run`` does.

    A run whose loader is to be killed reads everything again, so that there is enough to load.
    """
    killer = LoaderKiller()
    with _signals() as received:
        with shown_progress(dataset, display.stream) as show:

            def on_progress(event: ProgressEvent) -> None:
                show(event)
                if kill_loader:
                    killer.on_progress(event)

            run = scout.runs.execute(
                dataset,
                full_refresh=kill_loader,
                on_progress=on_progress,
                should_stop=lambda: bool(received),
                stop_reason=lambda: interruption(received),
                log_file=log_file,
            )
        if received:
            if run.status == RunStatus.QUEUED:
                scout.runs.cancel(run.run_id)
            raise SystemExit(128 + received[0])
    return Loaded(run=run, loads=_loads(scout, dataset, run), rows_when_killed=killer.rows)


def _loads(scout: Scout, dataset: str, run: Run) -> list[Load]:
    """Return what the run has committed, by stream."""
    attempt = attempt_ids(uuid.UUID(run.run_id), run.attempt)[-1]
    installation = scout.installation
    with installation.store.begin() as session:
        found = lookups.dataset(session, dataset)
    with closing(query.connect_as_inspector(installation, found)) as reader:
        return SchemaContents(reader, found.schema_name).loads_of([attempt]) or []


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect signals instead of raising in the middle of a run, which would record a failure."""
    received: list[int] = []
    before = {
        signum: signal.signal(signum, lambda number, _frame: received.append(number))
        for signum in SIGNALS
    }
    try:
        yield received
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
