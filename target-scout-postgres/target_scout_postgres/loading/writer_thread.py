"""The writer thread: runs tasks in order while the main thread keeps parsing.

After a failure it runs no further tasks, and passes the exception to the main thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue
from typing import Any

QUEUE_SIZE = 2  # batches that wait for the server; more would only use memory
POLL_SECONDS = 0.2


class WriterThread:
    """One thread and its queue of tasks."""

    def __init__(self) -> None:
        self._queue: Queue[Callable[[], Any] | None] = Queue(QUEUE_SIZE)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # After a failure the queue is still emptied: the main thread may be blocked in `submit`.
        while (task := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    task()
                except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                    self._failure = error

    def submit(self, task: Callable[[], Any]) -> None:
        """Queue a task; wait while the queue is full."""
        self.raise_failure()
        self._queue.put(task)

    def call(self, task: Callable[[], Any]) -> Any:
        """Run a task after all earlier ones, and return its result."""
        done = threading.Event()
        result: list[Any] = []

        def work() -> None:
            try:
                result.append(task())
            finally:
                done.set()

        self.submit(work)
        # An earlier task that fails keeps this one from running at all.
        while not done.wait(POLL_SECONDS):
            self.raise_failure()
        self.raise_failure()
        return result[0]

    def raise_failure(self) -> None:
        """Raise the exception of a task, if one failed."""
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End the thread after all queued tasks."""
        self._queue.put(None)
        self._thread.join()
