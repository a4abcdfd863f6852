"""Starts ``meltano run`` and follows it to its end. The only module that starts a pipeline.

Meltano has no supported Python interface, so it is a child process. Each one gets a separate
project, database and socket: processes that share a directory read each other's state. Meltano
receives no secrets; its plugins fetch theirs from ``run_server``.
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
from urllib.parse import unquote, urlsplit

from scout_control.errors import CONNECT, RunInterruptedError
from scout_control.meltano import executables, parent_death, run_project, trusted_files, workdir
from scout_control.meltano.log import EXTRACTOR, LOADER, RunLog
from scout_control.meltano.outcomes import NOTHING_SECRET, Quoting, failure, transform_failure
from scout_control.meltano.run_server import client
from scout_control.meltano.run_server.plugin_environment import plugin_launches
from scout_control.meltano.run_server.server import RunServer
from scout_control.rules.environment import COMMON_VARIABLES
from scout_control.rules.terminal import escaped
from scout_control.store.singer_state import StateStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scout_control.errors import ControlError
    from scout_control.meltano.reports import Report
    from scout_control.rules.statuses import Phase

MELTANO = Path(__file__).with_name("programs") / "meltano"
RESUMES = "Run again: it resumes from the last saved state."
LAUNCHER = executables.PROGRAMS / "scout-plugin"


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline to run: its dataset schema, settings and secrets."""

    project_root: Path
    blocks: Sequence[str]
    dataset_schema: str
    database_uri: str = field(repr=False)
    """The database in which control keeps state; no process of the run receives it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of the tap and of the loader, each of which receives only its own."""
    database_url: str | None = field(default=None, repr=False)
    """The dataset's database, for the transforms."""
    project_id: str | None = None
    """The project whose custom models are built after the shared ones."""
    environment: str = "prod"
    full_refresh: bool = False
    dbt_target: Path | None = None
    """Where dbt caches what it has parsed, one folder per dataset: its next start is faster."""
    log_file: Path | None = None
    """Receives the full output of Meltano; readable by this account only."""
    append: bool = False
    """Append to ``log_file`` instead of replacing it."""
    reconnect: str = CONNECT
    """The command that connects the account again, for messages."""

    @property
    def quoting(self) -> Quoting:
        """How messages of its plugins are quoted."""
        passwords = (urlsplit(url).password for url in (self.database_uri, self.database_url or ""))
        secrets = (*self.secrets.values(), *(unquote(each) for each in passwords if each))
        return Quoting(secrets=secrets, reconnect=self.reconnect)


@dataclass(frozen=True, kw_only=True)
class ProcessResult:
    """How a process of Meltano ended."""

    run_id: str
    returncode: int
    seconds: float
    log: RunLog
    is_interrupted: bool
    """Whether it was stopped from here."""
    quoting: Quoting = NOTHING_SECRET
    """How messages of its plugins are quoted."""
    time_limit_seconds: float | None = None
    """After how long it was stopped, if that took too long."""

    @property
    def error(self) -> ControlError | None:
        """Return the error that exit code and log describe; None after success."""
        if self.returncode == 0:
            return None
        if self.time_limit_seconds is not None:
            limit = self.time_limit_seconds
            return RunInterruptedError(
                f"The run was stopped at its time limit, after {limit:.0f} s.", RESUMES
            )
        if self.is_interrupted:
            return RunInterruptedError("The run was stopped.", RESUMES)
        if self.log.transform_error:
            return transform_failure(self.log)
        return failure(self.log, self.returncode, self.quoting)


class MeltanoProcess:
    """One ``meltano run`` as a child process."""

    def __init__(
        self, pipeline: Pipeline, run_id: str | None = None, grace_seconds: float = 30.0
    ) -> None:
        self.run_id = run_id or str(uuid.uuid4())
        self._grace_seconds = grace_seconds
        self._pipeline = pipeline
        self._log = RunLog(plugins=dict(zip((EXTRACTOR, LOADER), pipeline.blocks, strict=False)))
        self._is_interrupted = False
        self._is_late = False

    @contextmanager
    def started(self) -> Iterator[MeltanoProcess]:
        """Start the process; stop it with all its plugins at the end of the context."""
        with start_meltano(self._pipeline, self._arguments(), self.run_id) as (work, process):
            self.work, self._process = work, process
            self._started_at = time.monotonic()
            try:
                yield self
            finally:
                self.stop()
                if self._process.stdout:
                    self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Return the process id, which is also the id of the group that its plugins are in."""
        return self._process.pid

    def follow(
        self,
        on_progress: Callable[[Report | Phase], None],
        timeout_seconds: float | None = None,
        on_line: Callable[[str], None] = lambda _: None,
    ) -> ProcessResult:
        """Read its output until it ends; it is stopped after ``timeout_seconds``."""
        watchdog = threading.Timer(timeout_seconds, self._stop_late) if timeout_seconds else None
        if watchdog:
            watchdog.start()
        try:
            with _log_file(self._pipeline) as log_file:
                for line in self._process.stdout or ():
                    log_file.write(escaped(line, keep="\n"))
                    on_line(line)
                    for progress in self._log.reports(line):
                        on_progress(progress)
            returncode = self._process.wait()
        finally:
            if watchdog:
                watchdog.cancel()
        return ProcessResult(
            run_id=self.run_id,
            returncode=returncode,
            seconds=time.monotonic() - self._started_at,
            log=self._log,
            is_interrupted=self._is_interrupted,
            quoting=self._pipeline.quoting,
            time_limit_seconds=timeout_seconds if self._is_late else None,
        )

    def _stop_late(self) -> None:
        self._is_late = True
        self.stop()

    def stop(self) -> None:
        """Send SIGTERM, which Meltano passes on to its plugins; then kill what is left of them.

        Meltano sends only SIGTERM, and a plugin may ignore that.
        """
        if self._process.poll() is None:
            self._is_interrupted = True
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._grace_seconds)
        kill_group(self._process)

    def _arguments(self) -> list[str]:
        # Without --force, Meltano takes a killed run for a running one for five minutes. Two runs
        # at once are prevented by the lock that the target holds on the dataset schema.
        options = ["--full-refresh"] if self._pipeline.full_refresh else []
        return ["run", "--force", *options, *self._pipeline.blocks]


@contextmanager
def start_meltano(
    pipeline: Pipeline, arguments: Sequence[str], run_id: str, *, only_stderr: bool = False
) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Start Meltano in a new work folder, with the server that hands secrets to its plugins.

    Args:
        pipeline: What it runs.
        arguments: Those of Meltano.
        run_id: The id of the run.
        only_stderr: Drop its standard output, and read its standard error in that place.
    """
    with workdir.directory() as work, closing(StateStore(pipeline.database_uri)) as states:
        written = run_project.write(
            pipeline.project_root, work / "project", LAUNCHER, pipeline.blocks
        )
        project = executables.resolved(written)
        server = RunServer(plugin_launches(pipeline, project), states, pipeline.dataset_schema)
        with server.opened(work / client.SOCKET_NAME):
            holder = parent_death.supervisor_command()
            process = subprocess.Popen(  # noqa: S603 - a fixed program; the blocks are the project's
                [*holder, sys.executable, str(MELTANO), *arguments],
                cwd=pipeline.project_root,
                env=project.without_secrets(environment(pipeline, run_id, work)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if only_stderr else subprocess.PIPE,
                stderr=subprocess.PIPE if only_stderr else subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # one group, so that all of it can be killed
                umask=0o077,  # work files may hold the project's settings
            )
            server.set_root(process.pid, 1 if holder else 0)
            yield work, process


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a process with all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment(pipeline: Pipeline, run_id: str, work: Path) -> dict[str, str]:
    """Return the environment of a run: only what is named here, and no secret.

    Meltano keeps its files below ``work``: its default is a home folder that may be read-only.
    """
    inherited = {name: os.environ[name] for name in COMMON_VARIABLES if name in os.environ}
    homes = {f"XDG_{kind}_HOME": str(work / kind.lower()) for kind in ("STATE", "CONFIG", "CACHE")}
    return {
        **inherited,
        **homes,
        "PATH": os.pathsep.join([str(executables.PROGRAMS), os.environ.get("PATH", os.defpath)]),
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
    return trusted_files.private_file(pipeline.log_file, append=pipeline.append)
