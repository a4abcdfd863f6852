"""Runs one plugin by ``meltano invoke``, for a limited time and with limited memory."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_control.errors import ServerError
from scout_control.meltano.log import EXTRACTOR, RunLog
from scout_control.meltano.outcomes import failure
from scout_control.meltano.process import kill_group, start_meltano
from scout_control.meltano.reports import Wait

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from scout_control.errors import ControlError
    from scout_control.meltano.process import Pipeline

# What Meltano makes of a plugin's exit code -9, and what a shell would.
SIGNALS_OF_MELTANO, SIGNALS_OF_A_SHELL = range(192, 256), range(129, 193)
UNKNOWN_OPTION = 2
MAX_LINE = 65_536
TRY_AGAIN = "Try again later."


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """How a plugin ended."""

    error: ControlError | None
    """What its exit code and its messages amount to; None after success."""
    lacks_option: bool = False
    """Whether it does not know the option that it was given."""


def invoke(
    pipeline: Pipeline,
    option: str,
    *,
    longest_seconds: float,
    on_wait: Callable[[Wait], None] | None = None,
) -> Invocation:
    """Run the plugin of a pipeline with an option.

    Its standard output is dropped: it may hold records.

    Args:
        pipeline: With one block, the plugin.
        option: What it is requested to do.
        longest_seconds: How long it may take.
        on_wait: Called with each wait that it reports, such as one before another try.

    Raises:
        ServerError: It did not end in time, and was killed.
    """
    command = ["invoke", *pipeline.blocks, option]
    log = RunLog(plugins={EXTRACTOR: pipeline.blocks[0]})
    run_id, is_late = str(uuid.uuid4()), threading.Event()
    with start_meltano(pipeline, command, run_id, only_stderr=True) as (_, process):
        watchdog = threading.Timer(longest_seconds, _stop, (process, is_late))
        watchdog.start()
        try:
            is_named = _read(process, log, option, on_wait)
            code = _of_plugin(process.wait())
        finally:
            watchdog.cancel()
            kill_group(process)
            if process.stderr:
                process.stderr.close()
    if is_late.is_set():
        raise _timeout_error(pipeline, log, longest_seconds)
    log.exit_codes[EXTRACTOR] = code
    return Invocation(
        error=failure(log, quoting=pipeline.quoting) if code else None,
        lacks_option=code == UNKNOWN_OPTION and is_named,
    )


def _read(
    process: subprocess.Popen[str],
    log: RunLog,
    option: str,
    on_wait: Callable[[Wait], None] | None,
) -> bool:
    """Read the log of a process, a limited part of a line at a time.

    Returns:
        Whether it names the option.
    """
    is_named = False
    while process.stderr and (line := process.stderr.readline(MAX_LINE)):
        report = log.read(line)
        if on_wait is not None and isinstance(report, Wait):
            on_wait(report)
        is_named = is_named or option in line
    return is_named


def _stop(process: subprocess.Popen[str], is_late: threading.Event) -> None:
    is_late.set()
    kill_group(process)


def _of_plugin(exit_code: int) -> int:
    """Return the exit code of a plugin from that of Meltano: negative for a signal."""
    if exit_code in SIGNALS_OF_MELTANO:
        return exit_code - SIGNALS_OF_MELTANO.stop
    if exit_code in SIGNALS_OF_A_SHELL:
        return SIGNALS_OF_A_SHELL.start - 1 - exit_code
    return exit_code


def _timeout_error(pipeline: Pipeline, log: RunLog, seconds: float) -> ServerError:
    message = log.last_error(EXTRACTOR)
    said = f" Its last message was: {pipeline.quoting.quote(message)}" if message else ""
    cause = f"{pipeline.blocks[0]} did not finish within {seconds:g} s.{said}"
    return ServerError(cause, TRY_AGAIN)
