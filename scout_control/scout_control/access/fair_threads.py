"""Threads for what may take seconds, of which one person has half at most.

Else one person could keep everyone waiting, also in other projects, by a few queries that sleep.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from scout_control.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")
WAIT = "Try again in a few seconds."


class FairThreads:
    """Some threads; used in one event loop.

    Args:
        threads: How many there are.
        most_waiting: How many calls may wait for one; of a person, half as many.
    """

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._most, self._most_of_one = most_waiting + threads, max(1, most_waiting // 2)
        self._threads_of_one = max(1, threads // 2)
        self._shares: dict[str, anyio.CapacityLimiter] = {}
        self._calls: Counter[str] = Counter()

    async def run(self, call: Callable[[], Result], person: str = "") -> Result:
        """Return the result of a call, made in one of the threads.

        Args:
            call: What blocks.
            person: For whom; without a name, such as a server's only user, all threads.

        Raises:
            BusyError: Too many wait already.
        """
        with self._counted(person):
            if not person:
                return await anyio.to_thread.run_sync(call, limiter=self._limiter)
            share = self._shares.setdefault(person, anyio.CapacityLimiter(self._threads_of_one))
            async with share:
                return await anyio.to_thread.run_sync(call, limiter=self._limiter)

    @contextmanager
    def _counted(self, person: str) -> Iterator[None]:
        """Count a call that waits or runs."""
        if self._calls.total() >= self._most:
            raise BusyError("Too many queries, tests and other slow requests are waiting.", WAIT)
        if person and self._calls[person] >= self._threads_of_one + self._most_of_one:
            raise BusyError("Too many slow requests of yours are waiting.", WAIT)
        self._calls[person] += 1
        try:
            yield
        finally:
            self._calls[person] -= 1
            if not self._calls[person]:
                del self._calls[person]
                self._shares.pop(person, None)
