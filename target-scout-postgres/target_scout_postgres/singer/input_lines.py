"""The input: chunks of stdin or of a file into whole lines, signals between two of them.

Knows neither messages nor tables.
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
LONGEST_LINE_BYTES = 1 << 30  # Postgres takes no larger value
WAIT_SECONDS = 0.2  # without input for so long, open transactions end
DRAIN_SECONDS = 60  # a signal ends the run within these, even if Postgres waits for somebody's lock
F_SETPIPE_SZ = 1031  # Linux; the larger the pipe, the fewer the switches between tap and target


class Lines(NamedTuple):
    """Whole lines that were there; none when no input came for a while."""

    lines: list[bytes]
    is_waiting: bool


class Signals:
    """Remembers a signal that asks to end, and wakes up who waits for input."""

    def __init__(self) -> None:
        self.received = 0
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del frame
        if not self.received:
            self.received = number
            signal.signal(signal.SIGALRM, self._give_up)
            signal.alarm(DRAIN_SECONDS)
        try:
            os.write(self._write, b"!")
        except BlockingIOError:
            return

    def _give_up(self, number: int, frame: FrameType | None) -> None:
        """End the process: what it was writing is undone by Postgres, and no STATE tells of it."""
        del number, frame
        try:
            logs.error(
                f"Asked to end, and what was received could not be committed within "
                f"{DRAIN_SECONDS} seconds: somebody may hold a lock on a table. What was "
                "committed before stays. Run again; it resumes at the last STATE."
            )
        finally:
            os._exit(128 + self.received)

    def wait(self, source: int, seconds: float) -> bool:
        """Wait for input; tell whether there is some."""
        ready, _, _ = select.select([source, self._read], [], [], seconds)
        return source in ready


def lines(source: int, signals: Signals) -> Iterator[Lines]:
    """Yield lines as they come, until the end of the input or a signal.

    Raises:
        DataError: A line is larger than anything that Postgres takes.
    """
    with suppress(OSError):  # not a pipe, or not allowed: only a matter of speed
        fcntl.fcntl(source, F_SETPIPE_SZ, CHUNK_BYTES)
    rest: list[bytes] = []
    size = 0
    is_first = True
    while True:
        while not signals.wait(source, WAIT_SECONDS):
            if signals.received:
                return
            yield Lines([], is_waiting=True)
        chunk = os.read(source, CHUNK_BYTES)
        if not chunk:
            break
        if is_first:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
            is_first = False
        if b"\n" not in chunk:
            rest.append(chunk)
            size += len(chunk)
            if size > LONGEST_LINE_BYTES:
                raise DataError(
                    "A line of the input is longer than 1 GB, more than Postgres takes in a value."
                )
            continue
        whole = b"".join((*rest, chunk)).split(b"\n")
        rest = [whole.pop()]
        size = len(rest[0])
        yield Lines(whole, is_waiting=False)
        if signals.received:
            return
    if last := b"".join(rest):
        yield Lines([last], is_waiting=False)
