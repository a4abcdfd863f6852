"""Starts ``meltano run`` and follows it to its end. The only module that starts a pipeline.

Meltano has no supported Python interface, so it is a child process. Each run has a system directory
of its own, since runs of one plugin that share one read each other's state; secrets travel in the
environment only, which other accounts cannot list. Knows no store and no schedule.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from scout_control import leash, scratch, trust
from scout_control.errors import RunInterruptedError
from scout_control.rules.meltano_log import Progress, RunLog
from scout_control.rules.outcomes import failure, transform_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scout_control.errors import ControlError
    from scout_control.rules.runs import Phase

PROGRAMS = Path(sys.executable).parent
# All that a run gets from our own environment: where programs, certificates and proxies are.
PASSED_ON = (
    *(
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
    ),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What to run, for which dataset schema, and with what."""

    project_root: Path
    blocks: Sequence[str]
    dataset_schema: str
    database_uri: str = field(repr=False)
    """Where Meltano keeps state."""
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
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
        with scratch.directory() as work:
            self.work = work
            self._began = time.monotonic()
            self.process = self._spawn(work)
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
                    log_file.write(line)
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
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _spawn(self, work: Path) -> subprocess.Popen[str]:
        pipeline = self._pipeline
        # Meltano takes a run that was killed for one that goes on, for five minutes; whether one
        # does go on is told by the lock that the target holds on the dataset schema.
        command = ["meltano", "run", "--force"]
        command += ["--full-refresh"] if pipeline.full_refresh else []
        return subprocess.Popen(  # noqa: S603 - a fixed program; blocks come from the project
            [*leash.held_by_us(), str(PROGRAMS / command[0]), *command[1:], *pipeline.blocks],
            cwd=pipeline.project_root,
            env=environment(pipeline, self.run_id, work),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            umask=0o077,
        )


def ask(
    *words: str,
    project_root: Path,
    database_uri: str,
    work: Path,
    longest_seconds: float,
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Let Meltano do one small thing and answer.

    Raises:
        subprocess.TimeoutExpired: It gave no answer in time, and was ended.
    """
    return subprocess.run(  # noqa: S603 - a fixed program
        [str(PROGRAMS / "meltano"), *words],
        cwd=project_root,
        env=_surroundings(project_root, database_uri, work) | dict(settings or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=longest_seconds,
        check=False,
        umask=0o077,
    )


def _surroundings(project_root: Path, database_uri: str, work: Path) -> dict[str, str]:
    """Return what Meltano is told whatever it does.

    It puts its files below ``work``: else it keeps logs in a home that may be read only.
    """
    inherited = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    homes = {f"XDG_{kind}_HOME": str(work / kind.lower()) for kind in ("STATE", "CONFIG", "CACHE")}
    return {
        **inherited,
        **homes,
        "PATH": os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", os.defpath)]),
        "MELTANO_PROJECT_ROOT": str(project_root),
        "MELTANO_SYS_DIR_ROOT": str(work / "meltano"),
        "MELTANO_DATABASE_URI": database_uri,
        "MELTANO_AUTO_INSTALL": "false",
        "NO_COLOR": "1",
    }


def environment(pipeline: Pipeline, run_id: str, work: Path) -> dict[str, str]:
    """Build the environment of a run: nothing comes along that is not named here."""
    return {
        **_surroundings(pipeline.project_root, pipeline.database_uri, work),
        "MELTANO_ENVIRONMENT": pipeline.environment,
        "MELTANO_RUN_ID": run_id,
        "MELTANO_RUN_STATE_ID_SUFFIX": pipeline.dataset_schema,
        "MELTANO_CLI_LOG_FORMAT": "json",
        "DBT_TARGET_PATH": str(pipeline.dbt_target or work / "dbt"),
        "DBT_LOG_PATH": str(work / "dbt-log"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",
        "PYTHONUNBUFFERED": "1",
        "SCOUT_RUN_ID": run_id,
        "SCOUT_DATASET_SCHEMA": pipeline.dataset_schema,
        **pipeline.settings,
        **pipeline.secrets,
    }


def _log_file(pipeline: Pipeline) -> TextIO:
    if pipeline.log_file is None:
        return Path(os.devnull).open("w")
    return trust.private_file(pipeline.log_file, is_continued=pipeline.is_continued)
