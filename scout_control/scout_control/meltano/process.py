"""Starts ``meltano run`` and follows it to its end. The only module that starts a pipeline.

Meltano has no supported Python interface, so it is a child process. Each run has a directory of its
own with a project, a database and a socket: runs of one plugin that share a directory read each
other's state. Meltano itself is told no secret; see ``run_server``.
Knows no schedule.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from scout_control.errors import RunInterruptedError
from scout_control.meltano import parent_death, run_project, trusted_files, workdir
from scout_control.meltano.log import Progress, RunLog
from scout_control.meltano.outcomes import failure, transform_failure
from scout_control.meltano.run_server import client
from scout_control.meltano.run_server.plugin_environment import plugin_launches
from scout_control.meltano.run_server.server import RunServer
from scout_control.rules.environment import COMMON_VARIABLES
from scout_control.rules.terminal import harmless
from scout_control.store.singer_state import StateStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scout_control.errors import ControlError
    from scout_control.rules.statuses import Phase

PROGRAMS = Path(sys.executable).parent
MELTANO = Path(__file__).with_name("programs") / "meltano"
LAUNCHER = PROGRAMS / "scout-plugin"


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What to run, for which dataset schema, and with what."""

    project_root: Path
    blocks: Sequence[str]
    dataset_schema: str
    database_uri: str = field(repr=False)
    """Of the database where control keeps state; no process of the run learns it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of the tap and of the loader: each is told its own."""
    database_url: str | None = field(default=None, repr=False)
    """Of the dataset's database, for what comes after the load."""
    project_id: str | None = None
    """Whose models are built besides those that are for everybody."""
    environment: str = "prod"
    full_refresh: bool = False
    dbt_target: Path | None = None
    """Where dbt keeps what it has parsed, to start faster the next time; one place a dataset."""
    log_file: Path | None = None
    """Where all that Meltano says is kept; readable by us only."""
    is_continued: bool = False
    """Whether the log of what went before is kept, too."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended."""

    run_id: str
    returncode: int
    seconds: float
    log: RunLog
    is_interrupted: bool

    @property
    def is_complete(self) -> bool:
        """Tell whether everything that was asked for was done."""
        return self.returncode == 0

    @property
    def error(self) -> ControlError | None:
        """Return the error that this end amounts to."""
        if self.is_complete:
            return None
        if self.is_interrupted:
            return RunInterruptedError("The run was ended.", "Run again: it goes on from there.")
        if self.log.transform_error:
            return transform_failure(self.log)
        return failure(self.log, self.returncode)


class Run:
    """One ``meltano run``, started by entering its context and surely ended by leaving it."""

    def __init__(
        self, pipeline: Pipeline, run_id: str | None = None, grace_seconds: float = 30.0
    ) -> None:
        self.run_id = run_id or str(uuid.uuid4())
        self._grace_seconds = grace_seconds
        self._pipeline = pipeline
        self._log = RunLog()
        self._is_interrupted = False

    @contextmanager
    def started(self) -> Iterator[Run]:
        """Start the run; end it and all its processes when the context is left."""
        with _started(self._pipeline, self._arguments(), self.run_id) as (work, process):
            self.work, self.process = work, process
            self._began = time.monotonic()
            try:
                yield self
            finally:
                self.end()
                if self.process.stdout:
                    self.process.stdout.close()

    def follow(
        self, on_progress: Callable[[Progress | Phase], None], timeout: float | None = None
    ) -> Ended:
        """Read what the run says until it ends; after ``timeout`` seconds it is ended."""
        watchdog = threading.Timer(timeout, self.end) if timeout else None
        if watchdog:
            watchdog.start()
        try:
            with _log_file(self._pipeline) as log_file:
                for line in self.process.stdout or ():
                    log_file.write(harmless(line, keep="\n"))
                    if progress := self._log.take(line):
                        on_progress(progress)
            returncode = self.process.wait()
        finally:
            if watchdog:
                watchdog.cancel()
        return Ended(
            run_id=self.run_id,
            returncode=returncode,
            seconds=time.monotonic() - self._began,
            log=self._log,
            is_interrupted=self._is_interrupted,
        )

    def end(self) -> None:
        """End Meltano, which ends its plugins; kill whatever is left after the grace.

        Meltano never goes further than SIGTERM itself, and a plugin may ignore that.
        """
        if self.process.poll() is None:
            self._is_interrupted = True
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(self._grace_seconds)
        _kill(self.process)

    def _arguments(self) -> list[str]:
        # Meltano takes a run that was killed for one that goes on, for five minutes; whether one
        # does go on is told by the lock that the target holds on the dataset schema.
        options = ["--full-refresh"] if self._pipeline.full_refresh else []
        return ["run", "--force", *options, *self._pipeline.blocks]


def invoke(
    pipeline: Pipeline, *arguments: str, longest_seconds: float
) -> subprocess.CompletedProcess[str]:
    """Let Meltano start one plugin with arguments of its own, and answer.

    Raises:
        subprocess.TimeoutExpired: It gave no answer in time, and was ended.
    """
    words = ["invoke", *pipeline.blocks, *arguments]
    with _started(pipeline, words, str(uuid.uuid4())) as (_, process):
        try:
            output, _ = process.communicate(timeout=longest_seconds)
        finally:
            _kill(process)
    return subprocess.CompletedProcess(words, process.returncode, output, None)


@contextmanager
def _started(
    pipeline: Pipeline, words: Sequence[str], run_id: str
) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Start Meltano in a directory of its own, and answer what its processes ask."""
    with workdir.directory() as work, closing(StateStore(pipeline.database_uri)) as states:
        project = run_project.write(
            pipeline.project_root, work / "project", LAUNCHER, pipeline.blocks
        )
        server = RunServer(plugin_launches(pipeline, project), states, pipeline.dataset_schema)
        with server.opened(work / client.SOCKET_NAME):
            holder = parent_death.supervisor_command()
            process = subprocess.Popen(  # noqa: S603 - a fixed program; words come from the project
                [*holder, sys.executable, str(MELTANO), *words],
                cwd=pipeline.project_root,
                env=project.without_secrets(environment(pipeline, run_id, work)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                umask=0o077,
            )
            server.set_root(process.pid, 1 if holder else 0)
            yield work, process


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment(pipeline: Pipeline, run_id: str, work: Path) -> dict[str, str]:
    """Build the environment of a run: nothing comes along that is not named here, and no secret.

    Meltano puts its files below ``work``: else it keeps logs in a home that may be read only.
    """
    inherited = {name: os.environ[name] for name in COMMON_VARIABLES if name in os.environ}
    homes = {f"XDG_{kind}_HOME": str(work / kind.lower()) for kind in ("STATE", "CONFIG", "CACHE")}
    return {
        **inherited,
        **homes,
        "PATH": os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", os.defpath)]),
        "MELTANO_PROJECT_ROOT": str(work / "project"),
        "MELTANO_SYS_DIR_ROOT": str(work / "meltano"),
        "MELTANO_DATABASE_URI": f"sqlite:///{work}/meltano.db",
        "MELTANO_STATE_BACKEND_URI": f"scout-run://{work / client.SOCKET_NAME}",
        "MELTANO_AUTO_INSTALL": "false",
        "MELTANO_ENVIRONMENT": pipeline.environment,
        "MELTANO_RUN_ID": run_id,
        "MELTANO_RUN_STATE_ID_SUFFIX": pipeline.dataset_schema,
        "MELTANO_CLI_LOG_FORMAT": "json",
        "DBT_TARGET_PATH": str(pipeline.dbt_target or work / "dbt"),
        "DBT_LOG_PATH": str(work / "dbt-log"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
        "SCOUT_RUN_ID": run_id,
        "SCOUT_DATASET_SCHEMA": pipeline.dataset_schema,
        **pipeline.settings,
    }


def _log_file(pipeline: Pipeline) -> TextIO:
    if pipeline.log_file is None:
        return Path(os.devnull).open("w")
    return trusted_files.private_file(pipeline.log_file, append=pipeline.is_continued)
