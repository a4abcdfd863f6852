"""A whole run from input to exit code: intake, engine, ends."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

import psycopg2

from target_scout_postgres import logs
from target_scout_postgres.errors import DataError, TargetError, refusal
from target_scout_postgres.loading.engine import Engine
from target_scout_postgres.singer import input_lines

if TYPE_CHECKING:
    from target_scout_postgres.settings import Settings
    from target_scout_postgres.singer.messages import Translation

SWITCH_SECONDS = 0.0001  # Python's 5 ms of parsing are long enough for the server to run dry


def load(settings: Settings, source: int, translation: Translation | None = None) -> int:
    """Load everything that comes from a file descriptor; return the exit code."""
    sys.excepthook = sys.unraisablehook = _say_nothing
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000)  # records hold no cycles; collecting mostly walks them in vain
    sys.setswitchinterval(SWITCH_SECONDS)
    signals = input_lines.Signals()
    engine = Engine(settings, _print, translation)
    try:
        engine.start()
        _take(engine, source, signals)
        if signals.received:
            engine.stop("interrupted")
            name = signal.Signals(signals.received).name
            logs.warning(f"ended by {name}; what was received is committed")
            return 128 + signals.received
        engine.finish()
    except DataError as error:
        return _refused(engine, error)
    except TargetError as error:
        engine.abandon()
        logs.error(str(error))
        return error.exit_code
    except psycopg2.Error as error:
        engine.abandon()
        logs.error(str(refusal(error, "loading")))
        return 1
    except OSError as error:
        engine.abandon()
        logs.error(
            f"Input or output failed ({error.strerror}). Run again; it resumes at the last STATE."
        )
        return 1
    return 0


def _take(engine: Engine, source: int, signals: input_lines.Signals) -> None:
    for found in input_lines.lines(source, signals):
        if found.lines:
            engine.feed(found.lines)
        engine.keep_time(is_waiting=found.is_waiting)


def _refused(engine: Engine, error: DataError) -> int:
    """Keep what came before the refused line, then end."""
    try:
        engine.stop("failed")
    except TargetError:
        engine.abandon()
    logs.error(str(error))
    return error.exit_code


def _say_nothing(*_: object) -> None:
    """Keep quiet: psycopg2 shows an error of a COPY by itself, with the row, before it raises it.

    What is raised is caught and told without values, here and in `cli`.
    """


def _print(text: bytes) -> None:
    """Write to stdout at once; a reader that is gone ends the run."""
    while text:
        text = text[os.write(1, text) :]
