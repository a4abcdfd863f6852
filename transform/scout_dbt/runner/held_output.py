"""Holds back what dbt prints until it has read every file.

dbt is started again without the files that it cannot read: its output of the attempts before would
report errors that cost nothing in the end.
"""

from __future__ import annotations

import io
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scout_dbt.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_ALL = re.compile(r"Found \d+ ")  # dbt's line once it has read every file


class HeldOutput(io.TextIOBase):
    """An output that keeps its text until it is released, and escapes control characters."""

    def __init__(self, stream: Any) -> None:
        self.is_released = False
        self.is_silent = False
        self._stream = stream
        self._held: list[str] = []

    def write(self, text: str, /) -> int:
        """Hold or write a text; nothing is written while the output is silent."""
        if self.is_silent:
            return len(text)
        if self.is_released:
            self._stream.write(escaped(text, keep="\n"))
            return len(text)
        self._held.append(text)
        if READ_ALL.search(text):
            self.release()
        return len(text)

    def release(self) -> None:
        """Write what was held, and everything from now on."""
        self.is_released = True
        self._stream.write(escaped("".join(self._held), keep="\n"))
        self._held.clear()
        self.flush()

    def flush(self) -> None:
        """Flush the stream behind it."""
        if self.is_released:
            self._stream.flush()


@contextmanager
def held_output() -> Iterator[HeldOutput]:
    """Hold back the standard output of this process."""
    before, sys.stdout = sys.stdout, HeldOutput(sys.stdout)
    try:
        yield sys.stdout
    finally:
        sys.stdout = before
