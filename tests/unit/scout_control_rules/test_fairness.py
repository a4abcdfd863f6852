"""Which owner's run is next, and which run yields its lane, decided without a database."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from scout_control.rules import fairness
from scout_control.rules.fairness import (
    MAX_MANUAL_FIRST,
    MAX_QUEUE_WAIT,
    MAX_SLICES,
    MIN_WAIT_OF_OTHERS,
    URGENT,
    Lane,
    WaitingRun,
)

SLICE = timedelta(minutes=1)
LONG = SLICE.total_seconds()
ENOUGH = MIN_WAIT_OF_OTHERS.total_seconds()
IDS = [uuid.UUID(int=number) for number in range(10)]


def waiting(job_id, owner, *, manual=False, waited=0.0, lanes=0, priority=1):
    return WaitingRun(job_id, owner, priority, manual, waited, lanes)


def order(runs):
    """Return jobs in the order in which workers get them."""
    priorities = fairness.changed_priorities(runs)
    return sorted(priorities, key=lambda job: (-priorities[job], job))


def test_owners_take_turns_whatever_was_queued_before():
    runs = [waiting(1, "a"), waiting(2, "a"), waiting(3, "a"), waiting(4, "b"), waiting(5, "b")]

    assert order(runs) == [1, 4, 2, 5, 3]


def test_lanes_that_an_owner_holds_count_as_turns():
    assert order([waiting(1, "a", lanes=2), waiting(2, "b"), waiting(3, "b")]) == [2, 3, 1]


def test_manual_runs_of_an_owner_precede_scheduled_ones_but_only_some():
    manual = [waiting(job, "a", manual=True) for job in range(10, 20)]
    priorities = fairness.changed_priorities([waiting(1, "a"), *manual])

    urgent = [job for job, priority in priorities.items() if priority > URGENT // 2]
    assert urgent == list(range(10, 10 + MAX_MANUAL_FIRST))
    assert min(priorities, key=priorities.__getitem__) == 1


def test_a_run_that_waited_long_precedes_scheduled_runs():
    seconds = MAX_QUEUE_WAIT.total_seconds()

    assert order([waiting(1, "a"), waiting(2, "a", waited=seconds + 1)]) == [2, 1]
    assert fairness.changed_priorities([waiting(1, "a", waited=seconds)]) == {1: 0}


def test_only_priorities_that_change_are_returned():
    runs = [waiting(1, "a", priority=0), waiting(2, "a", priority=0)]

    assert fairness.changed_priorities(runs) == {2: -1}


def lane(number, owner, held=LONG, attempt=1):
    return Lane(IDS[number], owner, attempt, held)


@pytest.mark.parametrize(
    ("lanes", "others", "yields"),
    [
        ([lane(0, "a")], {"b": ENOUGH}, True),
        ([lane(0, "a")], {}, False),
        ([lane(0, "a")], {"a": ENOUGH}, False),
        ([lane(0, "a")], {"b": ENOUGH - 1}, False),
        ([lane(0, "a", held=LONG - 1)], {"b": ENOUGH}, False),
        ([lane(0, "a", attempt=2)], {"b": ENOUGH}, False),
        ([lane(0, "a", held=2 * LONG, attempt=2)], {"b": ENOUGH}, True),
        ([lane(0, "a", held=MAX_SLICES * LONG, attempt=50)], {"b": ENOUGH}, True),
        ([lane(0, "a"), lane(1, "b")], {"b": ENOUGH}, False),
        ([lane(0, "a"), lane(1, "a"), lane(2, "b")], {"b": ENOUGH}, True),
        ([lane(0, "a"), lane(1, "a", held=2 * LONG)], {"b": ENOUGH}, False),
        ([lane(0, "a"), lane(1, "a", held=2 * LONG)], {"b": ENOUGH, "c": ENOUGH}, True),
        ([lane(1, "a")], {"b": ENOUGH}, False),
    ],
    ids=[
        "another owner waits",
        "no one waits",
        "only its own owner waits",
        "the other has not waited long enough",
        "its slice is not over",
        "a second attempt gets two slices",
        "and yields after them",
        "slices grow up to a limit",
        "both owners hold one lane",
        "its owner holds more lanes",
        "a longer one yields for the only one who waits",
        "two wait, two yield",
        "it holds no lane any more",
    ],
)
def test_a_run_yields_its_lane(lanes, others, yields):
    assert fairness.should_yield(IDS[0], lanes, others, SLICE) is yields


def test_a_short_slice_shortens_the_wait_of_others():
    short = timedelta(seconds=6)

    assert fairness.should_yield(IDS[0], [lane(0, "a", held=6)], {"b": 6.0}, short)
    assert not fairness.should_yield(IDS[0], [lane(0, "a", held=6)], {"b": 5.0}, short)
