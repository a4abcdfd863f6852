"""One run of the demo: the pipeline with its progress shown, and faults planted if asked."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from scout_control.datasets.loads import Load, SchemaContents
from scout_control.datasets.query_role import connect_as_query_role
from scout_control.demo import executor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.datasets.provision import ProvisionedSchema
    from scout_control.demo.display import Display
    from scout_control.demo.world import World
    from scout_control.errors import ControlError
    from scout_control.installation.settings import Settings
    from scout_control.meltano.process import Run

LOOK_EVERY_SECONDS = 0.1
LOADER = "target-scout-postgres"


@dataclass
class Watch:
    """Shows what is committed while a run goes on; kills the loader if it shall."""

    server_url: str
    display: Display
    totals: Mapping[str, int]
    is_killer: bool = False
    killed_at: int | None = None
    """How many rows were committed when the loader was killed."""
    found: list[Load] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self, place: ProvisionedSchema, run: Run) -> None:
        """Begin to look."""
        arguments = (place.schema, run.run_id, run.process.pid)
        self._thread = threading.Thread(target=self._look, args=arguments, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look once more, and no more after that."""
        self._over.set()
        if self._thread:
            self._thread.join()
        self.display.done()

    def _look(self, schema: str, run_id: str, meltano: int) -> None:
        with closing(connect_as_query_role(self.server_url, schema)) as reader:
            contents = SchemaContents(reader, schema)
            is_over = False
            while not is_over:
                is_over = self._over.wait(LOOK_EVERY_SECONDS)
                self.found = contents.loads_of([run_id]) or []
                counts = {load.stream: load.rows for load in self.found}
                if counts:
                    self.display.rows(counts, self.totals)
                rows = sum(counts.values())
                if self.is_killer and self.killed_at is None and rows and not is_over:
                    self._kill(meltano, rows)

    def _kill(self, meltano: int, rows: int) -> None:
        for process in psutil.Process(meltano).children(recursive=True):
            try:
                if any(LOADER in word for word in process.cmdline()):
                    process.kill()
                    self.killed_at = rows
            except psutil.NoSuchProcess:
                continue


@dataclass(frozen=True, kw_only=True)
class Done:
    """What one run of the demo came to."""

    place: ProvisionedSchema
    loads: list[Load]
    fetched: Mapping[str, int]
    seconds: float
    error: ControlError | None
    killed_at: int | None


def run(
    world: World,
    settings: Settings,
    display: Display,
    *,
    is_first: bool,
    kill_loader: bool = False,
) -> Done:
    """Run the pipeline once, as control would for anybody.

    A run whose loader shall be killed reads everything anew, in small steps, so that there is a
    middle to kill it in.
    """
    source, sandbox = world.source, world.sandbox
    totals = source.counts(sandbox) if is_first else {}
    watch = Watch(world.server_url, display, totals, is_killer=kill_loader)
    dataset = world.dataset
    job = executor.Job(
        dataset=dataset,
        server_url=world.server_url,
        meltano_url=world.meltano_url,
        project_root=settings.project_root,
        source={
            **source.config(sandbox),
            **(source.small_steps if kill_loader else {}),
        },
        secrets=source.secrets(sandbox),
        blocks=source.blocks,
        dbt_target=world.home / "dbt" / dataset.schema,
        full_refresh=kill_loader,
        log_file=world.home / "run.log",
    )
    try:
        result = executor.work(job, watch.begin, on_progress=lambda _: None)
    finally:
        watch.end()
    return Done(
        place=result.place,
        loads=watch.found,
        fetched=result.ended.log.fetched,
        seconds=result.ended.seconds,
        error=result.error,
        killed_at=watch.killed_at,
    )
