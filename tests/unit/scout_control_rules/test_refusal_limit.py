"""Of what is refused many times, some is recorded each, and the rest is counted."""

from __future__ import annotations

import threading

import pytest
from scout_control.rules import refusal_limit
from scout_control.rules.refusal_limit import HOUR_SECONDS, IN_FULL, MINUTE_SECONDS, RecordLimit


class Time:
    """A clock that stands still."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Time()


def test_the_first_ones_are_recorded_each_and_the_others_once_a_minute(clock):
    limit = RecordLimit(clock)

    assert [limit.admit("ann") for _ in range(IN_FULL + 5)] == [0] * IN_FULL + [None] * 5
    clock.now += MINUTE_SECONDS - 0.1
    assert limit.admit("ann") is None
    clock.now += 0.1
    assert [limit.admit("ann") for _ in range(3)] == [6, None, None]
    clock.now += MINUTE_SECONDS
    assert limit.admit("ann") == 2


def test_what_one_person_does_leaves_nothing_of_another_out(clock):
    limit = RecordLimit(clock)
    for _ in range(100):
        limit.admit("ann")

    assert limit.admit("ben") == 0


def test_after_an_hour_they_are_recorded_each_again_and_none_is_forgotten(clock):
    limit = RecordLimit(clock)
    for _ in range(IN_FULL + 7):
        limit.admit("ann")
    clock.now = HOUR_SECONDS

    assert [limit.admit("ann") for _ in range(IN_FULL + 1)] == [7] + [0] * (IN_FULL - 1) + [None]


def test_a_day_of_attempts_is_a_bounded_number_of_events(clock):
    limit, recorded = RecordLimit(clock), 0
    for second in range(24 * 3600):
        clock.now = float(second)
        recorded += limit.admit("ann") is not None

    assert recorded <= 24 * (60 + IN_FULL)


def test_memory_is_bounded_and_who_came_last_is_remembered(clock, monkeypatch):
    monkeypatch.setattr(refusal_limit, "MOST_KEYS", 3)
    limit = RecordLimit(clock)
    for _ in range(IN_FULL):
        limit.admit("ann")
    for other in ("ben", "cara", "dan", "ann", "eve"):
        last = limit.admit(other)
        clock.now += 0.001

    assert len(limit._hours) == 3
    assert last == 0


def test_many_threads_record_no_more(clock):
    limit, admitted = RecordLimit(clock), []
    threads = [
        threading.Thread(target=lambda: admitted.append(limit.admit("ann"))) for _ in range(40)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sum(each is not None for each in admitted) == IN_FULL
