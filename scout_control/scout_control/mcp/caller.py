"""One call of a client: its person, and the threads in which the store is used.

The store is synchronous. Calls share a few threads, fewer than the store has connections. A call
that is cancelled ends when its thread is done, at most after the time limit of a query: no thread
and no lock outlives it.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.session import ServerSession

    from scout_control.access.access import Access
    from scout_control.mcp.progress import Progress

log = logging.getLogger(__name__)
Result = TypeVar("Result")
MOST_THREADS = 8


@dataclass(frozen=True)
class Threads:
    """The threads of a server."""

    limiter: anyio.CapacityLimiter = field(
        default_factory=functools.partial(anyio.CapacityLimiter, MOST_THREADS)
    )

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run something that blocks."""
        return await anyio.to_thread.run_sync(work, limiter=self.limiter)


@dataclass(frozen=True)
class Caller:
    """A call by a person."""

    threads: Threads
    identify: Callable[[], Access]
    """Returns the installation as the person may use it; raises if they no longer may."""
    session: ServerSession

    async def run(self, work: Callable[[Access], Result]) -> Result:
        """Run something as the person, who is identified each time."""
        return await self.threads.run(lambda: work(self.identify()))

    async def report(self, progress: Progress) -> None:
        """Tell the client how far the call is; a client that cannot be told changes nothing."""
        try:
            await self.session.report_progress(*progress)
        except Exception as error:  # noqa: BLE001 - whatever the transport raises
            log.warning("progress_not_delivered error=%s", type(error).__name__)
