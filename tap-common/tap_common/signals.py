"""Handles signals so that a run ends between two messages, never inside one.

This module does not know what is being read or written.
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
    """Turns SIGINT and SIGTERM into an error, which is deferred while a page is written.

    The error is raised in the main thread. ``stop`` wakes all threads that wait.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._signum: int | None = None
        self._is_deferred = False

    def install(self) -> None:
        """Handle both signals, if this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._handle)
            signal.signal(signal.SIGTERM, self._handle)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer interruptions until the end of the block."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        was_deferred, self._is_deferred = self._is_deferred, True
        try:
            yield
        finally:
            self._is_deferred = was_deferred
        if not was_deferred:
            self.raise_pending()

    def raise_pending(self) -> None:
        """Raise the error for a signal that arrived while signals were deferred."""
        if self._signum is not None:
            raise InterruptedRunError(self._signum)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        del frame
        if self._signum is not None:
            # The second request: the target may never read what is still being written.
            os._exit(128 + signum)
        self._signum = signum
        self.stop.set()
        if not self._is_deferred:
            raise InterruptedRunError(signum)
