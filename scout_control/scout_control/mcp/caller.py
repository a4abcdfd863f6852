"""One call of a client: its person, and the threads in which the store is used.

The store is synchronous. What may take seconds, such as a query, has its own threads, so that it
does not keep quick calls and the check of tokens waiting. A call that is cancelled ends when its
thread is done, at most after the time limit of a query: no thread and no lock outlives it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from scout_control.access.fair_threads import FairThreads
from scout_control.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.session import ServerSession

    from scout_control.access.access import Access
    from scout_control.mcp.progress import Progress

log = logging.getLogger(__name__)
Result = TypeVar("Result")
QUICK, SLOW = 6, 4
"""Threads of each kind; together fewer than the connections of the store's pool."""
CONNECTIONS = 2 * (QUICK + SLOW)
"""To the store: one for each thread, and one for the lock of a change."""
MOST_WAITING = 64


class Threads:
    """The threads of a server."""

    def __init__(
        self, quick: int = QUICK, slow: int = SLOW, most_waiting: int = MOST_WAITING
    ) -> None:
        self._quick = anyio.CapacityLimiter(quick)
        self._slow = FairThreads(slow, most_waiting)
        self._most_waiting = most_waiting

    async def run(
        self, work: Callable[[], Result], *, is_slow: bool = False, person: str = ""
    ) -> Result:
        """Run something that blocks, for a person: see ``FairThreads``.

        Raises:
            BusyError: Too many wait already.
        """
        if is_slow:
            return await self._slow.run(work, person)
        if self._quick.statistics().tasks_waiting >= self._most_waiting:
            raise BusyError("Too many calls are waiting.", "Try again in a few seconds.")
        return await anyio.to_thread.run_sync(work, limiter=self._quick)


@dataclass(frozen=True)
class Caller:
    """A call by a person."""

    threads: Threads
    identify: Callable[[], Access]
    """Returns the installation as the person may use it; raises if they no longer may."""
    session: ServerSession
    person: str = ""
    """Whose the call is, where a server has several users."""

    async def run(self, work: Callable[[Access], Result], *, is_slow: bool = False) -> Result:
        """Run something as the person, who is identified each time."""
        return await self.threads.run(
            lambda: work(self.identify()), is_slow=is_slow, person=self.person
        )

    async def report(self, progress: Progress) -> None:
        """Tell the client how far the call is; a client that cannot be told changes nothing."""
        try:
            await self.session.report_progress(*progress)
        except Exception as error:  # noqa: BLE001 - whatever the transport raises
            log.warning("progress_not_delivered error=%s", type(error).__name__)
