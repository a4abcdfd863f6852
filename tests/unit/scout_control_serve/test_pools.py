"""The threads of an application, and whose the slow ones are."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import anyio.to_thread
from fastapi import FastAPI
from scout_control.access.fair_threads import FairThreads
from scout_control.serve import pools
from scout_control.serve.pools import Slow


class Recorder(FairThreads):
    """Threads that note for whom each call is."""

    def __init__(self):
        super().__init__(1, 1)
        self.people = []

    async def run(self, call, person=""):
        self.people.append(person)
        return await super().run(call, person)


def test_a_slow_call_is_that_of_who_has_signed_in_by_then():
    threads, request = Recorder(), SimpleNamespace(state=SimpleNamespace())
    slow = Slow(threads, request)

    async def ask():
        first = await slow.run(lambda: 1)
        request.state.person = "ann"
        return first, await slow.run(lambda: 2)

    assert asyncio.run(ask()) == (1, 2)
    assert threads.people == ["", "ann"]


def test_the_quick_threads_are_set_while_an_application_serves():
    async def count():
        app = FastAPI()
        async with pools.threads(app):
            assert isinstance(app.state.slow, FairThreads)
            return anyio.to_thread.current_default_thread_limiter().total_tokens

    assert asyncio.run(count()) == pools.QUICK
