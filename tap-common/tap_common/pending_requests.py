"""Logs when a server has not answered for a while, so that a slow connection is not silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tap_common import waits

FIRST_SECONDS = 1.5
"""After this long without any answer the first line is logged: people see it within 2 s."""
REPEATED_SECONDS = 15.0
"""Between the lines about the same silence."""
POLL_SECONDS = 0.5


@dataclass
class PendingRequests:
    """The requests that are in flight to one host.

    As long as any of several requests is answered now and then, the server is not silent.
    """

    host: str
    _begun: dict[int, float] = field(default_factory=dict)
    _answered_at: float = 0.0
    _logged_at: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    @contextmanager
    def sent(self) -> Iterator[None]:
        """Watch a request until it is answered or has failed."""
        key = threading.get_ident()
        with self._lock:
            self._begun[key] = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="waits", daemon=True)
                self._thread.start()
        is_answered = False
        try:
            yield
            is_answered = True
        finally:
            self._end(key, time.monotonic(), is_answered=is_answered)

    def check(self, now: float) -> None:
        """Log a silence that has become long."""
        with self._lock:
            silent = self._silence(now)
            last = self._logged_at
            is_due = silent >= FIRST_SECONDS and (last is None or now - last >= REPEATED_SECONDS)
            if is_due:
                self._logged_at = now
        if is_due:
            waits.log_no_response(self.host, silent)

    def _end(self, key: int, now: float, *, is_answered: bool) -> None:
        with self._lock:
            silent = self._silence(now)
            self._begun.pop(key, None)
            was_logged, self._logged_at = self._logged_at is not None, None
            self._answered_at = now
        if was_logged and is_answered:
            waits.log_response(self.host, silent)

    def _silence(self, now: float) -> float:
        """Return for how long requests have been in flight without an answer to any of them."""
        if not self._begun:
            return 0.0
        return now - max(min(self._begun.values()), self._answered_at)

    def _watch(self) -> None:
        while True:
            time.sleep(POLL_SECONDS)
            with self._lock:
                if not self._begun:
                    self._thread = None
                    return
            self.check(time.monotonic())
