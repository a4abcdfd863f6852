"""The command: a plain run starts the engine directly, everything else goes through the SDK.

A run of a thousand records is mostly start-up, so it imports neither singer_sdk nor SQLAlchemy.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence

from target_scout_postgres import logs, settings
from target_scout_postgres.errors import TargetError


def main() -> None:
    """Run the command and exit."""
    gc.disable()  # until the run begins: during imports there is no garbage
    for number in (signal.SIGTERM, signal.SIGINT):  # until the run installs its own handlers
        signal.signal(number, lambda received, _: os._exit(128 + received))
    try:
        code = run(sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user, as it may quote data
        logs.error(_describe_bug(error))
        code = 1
    sys.exit(code)


def _describe_bug(error: Exception) -> str:
    """Return where an internal error happened, without its text, which may quote a record."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    where = f"{code.co_name} ({code.co_filename}:{trace.tb_lineno})" if code and trace else "?"
    return (
        f"Internal error in the target: {type(error).__name__} in {where}. The run stops; what was "
        "committed stays. Please report it with this line."
    )


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments; return its exit code."""
    try:
        sources = _config_sources(arguments)
        if sources is None:
            return _run_sdk(arguments)
        config = settings.read(sources)
        if any(config.get(name) for name in settings.SDK_SETTINGS):
            return _run_sdk(arguments)
        validated = settings.validate(config)
        from target_scout_postgres.runner import run_target  # start-up: after the settings

        return run_target(validated, 0)
    except TargetError as error:
        logs.error(str(error))
        return error.exit_code


def _config_sources(arguments: Sequence[str]) -> list[str] | None:
    """Return the values of --config; None if there are other arguments."""
    sources: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--config" and rest:
            sources.append(rest.pop(0))
        elif argument.startswith("--config="):
            sources.append(argument.partition("=")[2])
        else:
            return None
    return sources


def _run_sdk(arguments: Sequence[str]) -> int:
    for name in logs.LEVEL_VARIABLES:
        if os.environ.get(name, "info").lower() not in logs.LEVELS:
            del os.environ[name]  # the SDK would fail on an unknown level
    from target_scout_postgres.target import command  # start-up: half a second of imports

    return command(arguments)
