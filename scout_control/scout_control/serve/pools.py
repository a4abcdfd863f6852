"""Which threads answer: many for what is quick, few for what waits for other servers.

The store is synchronous, so each request has a thread while it is answered. What may take seconds
(a query, a test at a source, a drop) has its own threads, lest it keep the others from being
answered; when too many wait for these, the next is told to come back.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

import anyio.to_thread
from fastapi import Depends, Request

from scout_control.access.fair_threads import FairThreads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import FastAPI

QUICK, SLOW = 16, 6
"""Threads of each kind; ``make bench ARGS=rest_load`` compares other numbers."""
MOST_WAITING = 64
THREADS = QUICK + SLOW
Result = TypeVar("Result")


class Slow:
    """The threads for what may take seconds, as the sender of a request may use them."""

    def __init__(self, threads: FairThreads, request: Request) -> None:
        self._threads = threads
        self._request = request

    async def run(self, call: Callable[[], Result]) -> Result:
        """Return the result of a call, made in one of the threads.

        Raises:
            BusyError: Too many wait already.
        """
        person: str = getattr(self._request.state, "person", "")
        return await self._threads.run(call, person)


@asynccontextmanager
async def threads(app: FastAPI) -> AsyncIterator[None]:
    """Set how many threads there are, for as long as an application serves."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = QUICK
    app.state.slow = FairThreads(SLOW, MOST_WAITING)
    yield


def _slow(request: Request) -> Slow:
    return Slow(request.app.state.slow, request)


Slowly = Annotated[Slow, Depends(_slow)]
