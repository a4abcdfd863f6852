"""The command: a plain run goes straight to the engine; everything else is the SDK's.

A run of a thousand records is all start-up: neither singer_sdk nor SQLAlchemy is imported for it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from target_scout_postgres import logs, settings
from target_scout_postgres.errors import TargetError

# Settings of the SDK's own, which only its class understands.
SDK_SETTINGS = (
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_enabled",
    "batch_config",
)


def main() -> None:
    """Run the command."""
    for number in (signal.SIGTERM, signal.SIGINT):  # until the run itself takes care of them
        signal.signal(number, lambda received, _: os._exit(128 + received))
    try:
        code = run(sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user, as it may quote data
        logs.error(_bug(error))
        code = 1
    sys.exit(code)


def _bug(error: Exception) -> str:
    """Say where a fault of the target's own happened; the error's text may quote a record."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    where = f"{code.co_name} ({code.co_filename}:{trace.tb_lineno})" if code and trace else "?"
    return (
        f"A fault of the target itself: {type(error).__name__} in {where}. The run stops; what was "
        "committed stays. Please report it with this line."
    )


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments; return its exit code."""
    try:
        sources = _plain_run(arguments)
        if sources is None:
            return _sdk(arguments)
        config = settings.read(sources)
        if any(config.get(name) for name in SDK_SETTINGS):
            return _sdk(arguments)
        found = settings.validate(config)
        from target_scout_postgres.runner import load  # noqa: PLC0415 - after settings are checked

        return load(found, 0)
    except TargetError as error:
        logs.error(str(error))
        return error.exit_code


def _plain_run(arguments: Sequence[str]) -> list[str] | None:
    """Return the configuration sources, if the command is nothing but a run."""
    sources: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--config" and rest:
            sources.append(rest.pop(0))
        elif word.startswith("--config="):
            sources.append(word.partition("=")[2])
        else:
            return None
    return sources


def _sdk(arguments: Sequence[str]) -> int:
    for name in logs.NAMES:
        if os.environ.get(name, "info").lower() not in logs.LEVELS:
            del os.environ[name]  # no level: the SDK would fail on it
    from target_scout_postgres.target import command  # noqa: PLC0415 - half a second of imports

    return command(arguments)
