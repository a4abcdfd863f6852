"""Threads for what may take seconds: how many at a time, whose, and when the next is refused."""

from __future__ import annotations

import threading
from collections import Counter

import anyio
import pytest
from scout_control.access.fair_threads import FairThreads
from scout_control.errors import BusyError


class Calls:
    """Calls that run until they may end, counted by person."""

    def __init__(self):
        self.may_end = threading.Event()
        self.running = Counter()
        self._lock = threading.Lock()

    def of(self, person):
        def call():
            with self._lock:
                self.running[person] += 1
            self.may_end.wait(20)
            return person

        return call


def test_one_person_has_half_of_the_threads_and_the_others_go_on():
    calls = Calls()

    async def talk():
        fair = FairThreads(4, most_waiting=40)
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(fair.run, calls.of("eve"), "eve")
            await anyio.wait_all_tasks_blocked()
            for person in ("ann", "ben", "cara"):
                tasks.start_soon(fair.run, calls.of(person), person)
            while calls.running.total() < 4:
                await anyio.sleep(0.001)
            await anyio.wait_all_tasks_blocked()
            seen = Counter(calls.running)
            calls.may_end.set()
        return seen, fair

    seen, fair = anyio.run(talk)
    assert seen == {"eve": 2, "ann": 1, "ben": 1}
    assert calls.running == {"eve": 20, "ann": 1, "ben": 1, "cara": 1}
    assert (dict(fair._calls), fair._shares) == ({}, {})  # nothing of those who have left remains


def test_a_person_is_told_to_come_back_before_everyone_is():
    calls = Calls()

    async def talk():
        fair = FairThreads(2, most_waiting=4)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(fair.run, calls.of("eve"), "eve")
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(BusyError, match="slow requests of yours"):
                await fair.run(calls.of("eve"), "eve")
            for _ in range(3):
                tasks.start_soon(fair.run, calls.of("ann"), "ann")
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(BusyError, match="Too many queries"):
                await fair.run(calls.of("ben"), "ben")
            calls.may_end.set()
        return await fair.run(calls.of("eve"), "eve")

    assert anyio.run(talk) == "eve"


def test_without_names_all_threads_are_used():
    calls = Calls()

    async def talk():
        fair = FairThreads(2, most_waiting=4)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(fair.run, calls.of(""))
            while calls.running.total() < 2:
                await anyio.sleep(0.001)
            assert calls.running.total() == 2
            calls.may_end.set()

    anyio.run(talk)
    assert calls.running.total() == 3


def test_an_error_of_a_call_is_that_of_the_caller_and_frees_its_thread():
    async def talk():
        fair = FairThreads(1, most_waiting=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await fair.run(lambda: 1 // 0, "ann")
        return fair

    assert not anyio.run(talk)._calls
