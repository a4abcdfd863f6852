"""Signals: a run ends between two messages, never inside one.

It must not know what is being written or read.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from tap_common.errors import InterruptedRunError


class SignalHandler:
    """Turns SIGINT and SIGTERM into an error, held back while a page is written.

    The error is raised in the main thread. ``stop`` wakes every thread that waits.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._signum: int | None = None
        self._is_held = False

    def listen(self) -> None:
        """Take over both signals, if this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._handle)
            signal.signal(signal.SIGTERM, self._handle)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let what happens inside come to its end before an interruption is raised."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        was_held, self._is_held = self._is_held, True
        try:
            yield
        finally:
            self._is_held = was_held
        if not was_held:
            self.check()

    def check(self) -> None:
        """Raise what was held back."""
        if self._signum is not None:
            raise InterruptedRunError(self._signum)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        del frame
        if self._signum is not None:
            # Asked twice: whoever reads our output may never take the rest of it.
            os._exit(128 + signum)
        self._signum = signum
        self.stop.set()
        if not self._is_held:
            raise InterruptedRunError(signum)
