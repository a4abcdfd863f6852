"""Threads of calls: slow ones keep no quick one waiting, and not too many wait."""

from __future__ import annotations

import threading

import anyio
import pytest
from scout_control.errors import BusyError
from scout_control.mcp.caller import Threads


def test_a_quick_call_does_not_wait_for_slow_ones():
    release = threading.Event()

    async def talk():
        threads = Threads(quick=1, slow=1)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lambda: threads.run(release.wait, is_slow=True))
            assert await threads.run(lambda: "quick") == "quick"
            release.set()

    anyio.run(talk)


def test_when_too_many_wait_the_next_is_told_to_come_back():
    begun, release = threading.Event(), threading.Event()

    def work():
        begun.set()
        return release.wait()

    async def talk():
        threads = Threads(slow=1, most_waiting=2)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lambda: threads.run(work, is_slow=True))
            await anyio.to_thread.run_sync(begun.wait)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(BusyError, match="Try again in a few seconds"):
                await threads.run(work, is_slow=True)
            release.set()
        return await threads.run(lambda: "again", is_slow=True)

    assert anyio.run(talk) == "again"


def test_a_call_that_is_cancelled_ends_with_its_thread():
    """Its thread is not abandoned: what it holds is released before the call ends."""
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def work():
        begun.set()
        release.wait()
        ended.set()

    async def talk():
        threads = Threads(slow=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: threads.run(work, is_slow=True))
            await anyio.to_thread.run_sync(begun.wait)
            tasks.cancel_scope.cancel()
            release.set()
        return ended.is_set()

    assert anyio.run(talk)
