"""Reads whole lines from stdin or a file, until the end of the input or a signal.

This module does not know about messages or tables.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import select
import signal
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import NamedTuple

from target_scout_postgres import logs
from target_scout_postgres.errors import DataError

CHUNK_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 30  # Postgres takes no larger value
IDLE_SECONDS = 0.2  # if no input arrives for this long, open transactions are ended
SHUTDOWN_SECONDS = 60  # a signal ends the run within this time, even if Postgres waits for a lock
F_SETPIPE_SZ = 1031  # Linux; with a larger pipe, tap and target switch less often


class InputChunk(NamedTuple):
    """The whole lines of one read; no lines if the input is idle."""

    lines: list[bytes]
    is_idle: bool


class Signals:
    """Remembers the signal that asks the run to end, and wakes the reader."""

    def __init__(self) -> None:
        self.received = 0
        # `select` also waits for this pipe: a signal just before `select` would not interrupt it.
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del frame
        if not self.received:
            self.received = number
            signal.signal(signal.SIGALRM, self._give_up)
            signal.alarm(SHUTDOWN_SECONDS)
        try:
            os.write(self._write, b"!")
        except BlockingIOError:
            return

    def _give_up(self, number: int, frame: FrameType | None) -> None:
        """End the process. Postgres rolls back; no STATE was printed for the uncommitted rows."""
        del number, frame
        try:
            logs.error(
                "Shutdown timed out: the records received so far could not be committed within "
                f"{SHUTDOWN_SECONDS} seconds, perhaps because another session holds a lock on a "
                "table. What was committed before is kept. Run again: it resumes at the last STATE."
            )
        finally:
            os._exit(128 + self.received)

    def wait(self, source: int, seconds: float) -> bool:
        """Wait for input; return whether there is any."""
        ready, _, _ = select.select([source, self._read], [], [], seconds)
        return source in ready


def read_lines(source: int, signals: Signals) -> Iterator[InputChunk]:
    """Yield lines as they arrive, until the end of the input or a signal.

    Raises:
        DataError: A line is longer than the largest value that Postgres accepts.
    """
    with suppress(OSError):  # not a pipe, or not allowed: only slower
        fcntl.fcntl(source, F_SETPIPE_SZ, CHUNK_BYTES)
    rest: list[bytes] = []
    size = 0
    is_first = True
    while True:
        while not signals.wait(source, IDLE_SECONDS):
            if signals.received:
                return
            yield InputChunk([], is_idle=True)
        chunk = os.read(source, CHUNK_BYTES)
        if not chunk:
            break
        if is_first:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
            is_first = False
        if b"\n" not in chunk:
            # Kept in a list: joining at every chunk would take quadratic time for long lines.
            rest.append(chunk)
            size += len(chunk)
            if size > MAX_LINE_BYTES:
                raise DataError(
                    "A line of the input is longer than 1 GB, the largest value of Postgres."
                )
            continue
        lines = b"".join((*rest, chunk)).split(b"\n")
        rest = [lines.pop()]
        size = len(rest[0])
        yield InputChunk(lines, is_idle=False)
        if signals.received:
            return
    if last := b"".join(rest):
        yield InputChunk([last], is_idle=False)
