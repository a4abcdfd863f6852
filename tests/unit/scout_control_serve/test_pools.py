"""The threads for what may take seconds: how many at a time, and when the next is refused."""

from __future__ import annotations

import asyncio
import threading

import anyio.to_thread
import pytest
from fastapi import FastAPI
from scout_control.errors import BusyError
from scout_control.serve import pools
from scout_control.serve.pools import Slow


def test_as_many_run_at_a_time_as_there_are_threads(monkeypatch):
    monkeypatch.setattr(pools, "SLOW", 2)
    running, most, may_end = 0, 0, threading.Event()
    lock = threading.Lock()

    def call():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        may_end.wait(10)
        with lock:
            running -= 1
        return 1

    async def everyone():
        slow = Slow()
        calls = [asyncio.ensure_future(slow.run(call)) for _ in range(5)]
        while running < 2:
            await asyncio.sleep(0.001)
        may_end.set()
        return await asyncio.gather(*calls)

    assert asyncio.run(everyone()) == [1] * 5
    assert most == 2


def test_the_next_is_refused_when_too_many_wait(monkeypatch):
    monkeypatch.setattr(pools, "SLOW", 1)
    monkeypatch.setattr(pools, "MOST_WAITING", 1)
    may_end = threading.Event()

    async def everyone():
        slow = Slow()
        first = asyncio.ensure_future(slow.run(lambda: may_end.wait(10)))
        second = asyncio.ensure_future(slow.run(lambda: True))
        while slow._limiter.statistics().tasks_waiting < 1:
            await asyncio.sleep(0.001)
        with pytest.raises(BusyError):
            await slow.run(lambda: True)
        may_end.set()
        return await asyncio.gather(first, second)

    assert asyncio.run(everyone()) == [True, True]


def test_an_error_of_a_call_is_that_of_the_request():
    async def fail():
        await Slow().run(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())


def test_the_quick_threads_are_set_while_an_application_serves():
    async def count():
        app = FastAPI()
        async with pools.threads(app):
            assert isinstance(app.state.slow, Slow)
            return anyio.to_thread.current_default_thread_limiter().total_tokens

    assert asyncio.run(count()) == pools.QUICK
    assert pools.THREADS == pools.QUICK + pools.SLOW
