"""One run of the demo: shows the committed rows meanwhile, and kills the loader if requested."""

from __future__ import annotations

import signal
import threading
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from scout_control.datasets import query
from scout_control.datasets.schema_contents import Load, SchemaContents
from scout_control.rules.statuses import Phase, RunStatus
from scout_control.runs.execute import attempt_ids
from scout_control.store import lookups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from scout_control.api.scout import Scout
    from scout_control.api.views import Run
    from scout_control.demo.display import Display
    from scout_control.runs.context import ProgressEvent

POLL_SECONDS = 0.1
LOADER = "target-scout-postgres"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class CommitWatch:
    """Shows the committed rows of a run while it loads; the tap's own counts are ahead of them."""

    scout: Scout
    dataset: str
    display: Display
    totals: Mapping[str, int]
    should_kill: bool = False
    rows_when_killed: int | None = None
    loads: list[Load] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def on_progress(self, event: ProgressEvent) -> None:
        """Begin once the dataset schema has been provisioned."""
        if event.phase is Phase.DISCOVERING and self._thread is None:
            self._thread = threading.Thread(target=self._poll, name="commits", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Read the committed rows a last time, and end."""
        self._is_over.set()
        if self._thread:
            self._thread.join()
        self.display.done()

    def _poll(self) -> None:
        [run] = self.scout.runs.list(dataset=self.dataset, limit=1)
        attempt = attempt_ids(uuid.UUID(run.run_id), run.attempt)[-1]
        installation = self.scout.installation
        with installation.store.begin() as session:
            found = lookups.dataset(session, self.dataset)
        with closing(query.connect_as_inspector(installation, found)) as reader:
            contents = SchemaContents(reader, found.schema_name)
            is_over = False
            while not is_over:
                is_over = self._is_over.wait(POLL_SECONDS)
                self.loads = contents.loads_of([attempt]) or []
                counts = {load.stream: load.rows for load in self.loads}
                if counts:
                    self.display.rows(counts, self.totals)
                rows = sum(counts.values())
                if self.should_kill and self.rows_when_killed is None and rows and not is_over:
                    self._kill_loader(rows)

    def _kill_loader(self, rows: int) -> None:
        """Send SIGKILL to the loader, a descendant of this process.

        Its arguments name its program by a path; Meltano's name the plugin, without one.
        """
        for process in psutil.Process().children(recursive=True):
            try:
                if any(word.endswith(f"/{LOADER}") for word in process.cmdline()):
                    process.kill()
                    self.rows_when_killed = rows
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
    totals: Mapping[str, int],
    log_file: Path,
    *,
    kill_loader: bool = False,
) -> Loaded:
    """Run the dataset once, as ``scout run`` does.

    A run whose loader is to be killed reads everything again, so that there is enough to load.
    """
    watch = CommitWatch(scout, dataset, display, totals, should_kill=kill_loader)
    with _signals() as received:
        try:
            run = scout.runs.execute(
                dataset,
                full_refresh=kill_loader,
                on_progress=watch.on_progress,
                should_stop=lambda: bool(received),
                log_file=log_file,
            )
        finally:
            watch.finish()
        if received:
            if run.status == RunStatus.QUEUED:
                scout.runs.cancel(run.run_id)
            raise SystemExit(128 + received[0])
    return Loaded(run=run, loads=watch.loads, rows_when_killed=watch.rows_when_killed)


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
