"""When a worker does what, and how it shuts down; without a queue."""

from __future__ import annotations

import asyncio
import re
import signal
from datetime import UTC, datetime

import pytest
from scout_control.scheduler import worker
from scout_control.scheduler.worker import JOBS, LONGEST_DISCONNECT_SECONDS, Options

NOW = datetime(2026, 11, 29, tzinfo=UTC)
CRON = re.compile(r"[\d*/,-]+( [\d*/,-]+){4}")


@pytest.mark.parametrize("name", sorted(JOBS))
def test_every_job_has_a_moment(name):
    cron, do = JOBS[name]

    assert CRON.fullmatch(cron)
    assert callable(do)


def test_what_people_wait_for_comes_every_few_minutes():
    minutes = {name: cron for name, (cron, _) in JOBS.items()}

    assert {minutes[name] for name in ("reclaim", "requeue lost", "expire")} == {"* * * * *"}
    assert minutes["start due"] == "*/5 * * * *"


def test_a_short_job_gets_the_installation_and_the_time():
    called = []
    job = worker._short(lambda installation, now: called.append((installation, now)))
    job("site", NOW, options=Options(), should_stop=lambda: True)

    assert called == [("site", NOW)]


@pytest.mark.parametrize(
    ("since", "is_busy", "then"),
    [(None, False, 7.0), (0.0, False, 0.0), (3.0, False, 3.0), (3.0, True, None)],
)
def test_a_worker_is_idle_since_its_last_run(since, is_busy, then):
    assert worker.idle_since(since, 7.0, is_busy=is_busy) == then


@pytest.mark.parametrize(
    ("since", "waited", "is_over"),
    [
        (None, 100.0, False),
        (0.0, 0.0, False),
        (0.0, LONGEST_DISCONNECT_SECONDS - 0.1, False),
        (0.0, LONGEST_DISCONNECT_SECONDS, True),
        (5.0, 5.0 + LONGEST_DISCONNECT_SECONDS, True),
    ],
)
def test_an_idle_worker_waits_a_few_seconds_for_its_database(since, waited, is_over):
    assert worker.is_disconnect_overdue(since, waited) is is_over


class Lane:
    """Stands for a queue of Procrastinate."""

    def __init__(self):
        self.stops = 0

    def stop(self):
        self.stops += 1


def shut_down(options, *signals):
    """Let a worker that executes a run receive signals; return it and its lane."""
    made, lane = worker._Worker(None, options), Lane()
    made._lanes, made._executing = [lane], {"a run"}

    async def work():
        working = asyncio.create_task(asyncio.sleep(0))
        for number in signals:
            made._shut_down(number, working)
        await working
        return made._is_grace_over()

    assert not made._is_grace_over()
    return made, lane, asyncio.run(work())


def test_a_signal_stops_the_queues_and_grants_runs_their_grace():
    made, lane, is_over = shut_down(Options(grace_seconds=60.0), signal.SIGTERM)

    assert (made.signal, lane.stops, is_over) == (signal.SIGTERM, 1, False)


def test_without_grace_runs_are_stopped_at_once_and_the_first_signal_counts():
    made, lane, is_over = shut_down(Options(grace_seconds=-1.0), signal.SIGINT, signal.SIGTERM)

    assert (made.signal, lane.stops, is_over) == (signal.SIGINT, 2, True)


@pytest.mark.parametrize("until_idle", [True, False])
def test_a_lane_that_ends_stops_the_others_unless_the_queue_was_empty(until_idle):
    made, other = worker._Worker(None, Options(until_idle=until_idle)), Lane()
    made._lanes = [other]

    class Ended:
        async def run(self):
            pass

    asyncio.run(made._run(Ended()))
    assert other.stops == (0 if until_idle else 1)


def test_a_lane_that_fails_stops_the_others():
    made, other = worker._Worker(None, Options(until_idle=True)), Lane()
    made._lanes = [other]

    class Broken:
        async def run(self):
            raise OSError("the database is away")

    with pytest.raises(OSError, match="away"):
        asyncio.run(made._run(Broken()))
    assert other.stops == 1
