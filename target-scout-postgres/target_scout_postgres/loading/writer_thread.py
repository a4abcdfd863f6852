"""The writing thread: does what it is told in order, while the main thread parses on.

After a failure it does nothing more, and hands the failure to the main thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue
from typing import Any

QUEUED = 2  # batches that wait for the server; more would only take memory


class Worker:
    """One thread and its queue."""

    def __init__(self) -> None:
        self._queue: Queue[Callable[[], Any] | None] = Queue(QUEUED)
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            if self.failure is None:
                try:
                    task()
                except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                    self.failure = error

    def submit(self, task: Callable[[], Any]) -> None:
        """Have something done later; wait while the queue is full."""
        self.check()
        self._queue.put(task)

    def call(self, task: Callable[[], Any]) -> Any:
        """Have something done after all before it, and wait for its result."""
        done = threading.Event()
        result: list[Any] = []

        def work() -> None:
            try:
                result.append(task())
            finally:
                done.set()

        self.submit(work)
        while not done.wait(0.2):
            self.check()
        self.check()
        return result[0]

    def check(self) -> None:
        """Raise what went wrong in the writing thread."""
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """End the thread after all that it was told to do."""
        self._queue.put(None)
        self._thread.join()
