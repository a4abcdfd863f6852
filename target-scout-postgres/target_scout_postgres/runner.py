"""A whole run as a process, from its input to its exit code."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

import psycopg2

from target_scout_postgres import logs
from target_scout_postgres.errors import DataError, TargetError, to_database_error
from target_scout_postgres.loading.engine import Engine
from target_scout_postgres.loading.load_log import LoadStatus
from target_scout_postgres.singer.input_lines import Signals, read_lines

if TYPE_CHECKING:
    from target_scout_postgres.settings import Settings
    from target_scout_postgres.singer.messages import LineMapper

# Python's default of 5 ms is long enough for the server to run out of rows to process while the
# main thread parses.
SWITCH_SECONDS = 0.0001
GC_THRESHOLD = 200_000


def run_target(settings: Settings, source: int, mapper: LineMapper | None = None) -> int:
    """Load everything from a file descriptor; return the exit code."""
    sys.excepthook = sys.unraisablehook = _ignore
    # Modules live as long as the process, and records hold no cycles: collecting would only walk
    # millions of them in vain.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    gc.enable()
    sys.setswitchinterval(SWITCH_SECONDS)
    signals = Signals()
    engine = Engine(settings, _print, mapper)
    try:
        engine.start()
        _process_input(engine, source, signals)
        if signals.received:
            engine.stop(LoadStatus.INTERRUPTED)
            name = signal.Signals(signals.received).name
            logs.warning(f"ended by {name}; what was received is committed")
            return 128 + signals.received
        engine.finish()
    except DataError as error:
        return _stop_at_invalid_data(engine, error)
    except TargetError as error:
        engine.abandon()
        logs.error(str(error))
        return error.exit_code
    except psycopg2.Error as error:
        engine.abandon()
        logs.error(str(to_database_error(error, "loading")))
        return 1
    except OSError as error:
        engine.abandon()
        logs.error(
            f"Input or output failed ({error.strerror}). Run again; it resumes at the last STATE."
        )
        return 1
    return 0


def _process_input(engine: Engine, source: int, signals: Signals) -> None:
    for chunk in read_lines(source, signals):
        if chunk.lines:
            engine.process_lines(chunk.lines)
        engine.checkpoint_if_due(is_idle=chunk.is_idle)


def _stop_at_invalid_data(engine: Engine, error: DataError) -> int:
    """Commit what precedes the invalid line, then end."""
    try:
        engine.stop(LoadStatus.FAILED)
    except TargetError:
        engine.abandon()
    logs.error(str(error))
    return error.exit_code


def _ignore(*_: object) -> None:
    """Print nothing: psycopg2 shows an error of a COPY itself, with the row, before raising it.

    Whatever is raised is caught and logged without values, here and in `cli`.
    """


def _print(text: bytes) -> None:
    """Write to stdout unbuffered; a closed pipe ends the run."""
    while text:
        text = text[os.write(1, text) :]
