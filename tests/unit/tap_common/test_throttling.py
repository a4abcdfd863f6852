"""Rate limits and retries: how long a run waits, and when it gives up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from tap_common.errors import RateLimitError
from tap_common.retry_after import MAX_SECONDS, retry_after_seconds
from tap_common.throttling import MAX_BACKOFF_SECONDS, Backoff, RateLimitGate, RequestLimits

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.41", 0.41),
        (" 27.5 ", 27.5),
        ("0", 0.0),
        ("Fri, 20 Nov 2026 12:01:00 GMT", 60.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("1e400", MAX_SECONDS),
        ("nan", None),
        ("-3", None),
        ("later", None),
        ("", None),
        (None, None),
    ],
)
def test_every_way_to_say_retry_after_is_understood(header, seconds):
    assert retry_after_seconds(header, NOW) == seconds


def gate(longest: float) -> RateLimitGate:
    return RateLimitGate(
        "river-health", RequestLimits(max_rate_limit_wait=longest), threading.Event()
    )


def silent(domain: str, seconds: float) -> None:
    del domain, seconds


def throttle_often(
    closed: RateLimitGate, seconds: float | None, log: Callable[[str, float], None]
) -> None:
    for _ in range(50):
        closed.throttle(seconds, log)
        closed.opens_at = 0.0


def test_a_wait_beyond_the_limit_pauses_the_domain_for_all_readers():
    closed = gate(10)

    with pytest.raises(RateLimitError) as limited:
        closed.throttle(11, silent)
    with pytest.raises(RateLimitError):
        closed.wait()

    assert limited.value.exit_code == 75
    assert "river-health" in str(limited.value)


def test_without_a_header_waits_grow_until_they_are_too_long():
    told: list[float] = []
    closed = gate(10)

    with pytest.raises(RateLimitError):
        throttle_often(closed, None, lambda _, seconds: told.append(seconds))

    assert told == [1, 2, 4, 8]


def test_a_wait_that_was_doubled_a_thousand_times_is_still_a_number():
    backoff = Backoff(allowed_seconds=1000, tries=5000)

    assert 0 < backoff.next_wait() <= MAX_BACKOFF_SECONDS


def test_short_waits_without_a_response_end_the_run_and_a_response_resets_them():
    closed = gate(10)
    for _ in range(50):
        closed.throttle(1, silent)
        closed.opens_at = 0.0
        closed.record_response()

    with pytest.raises(RateLimitError):
        throttle_often(closed, 1, silent)


def test_throttling_halves_the_requests_in_flight_and_calm_restores_them():
    closed = gate(10)
    closed.throttle(1, silent)
    closed.throttle(1, silent)

    narrow = closed.max_in_flight(8)
    for _ in range(100):
        closed.record_response()

    assert (narrow, closed.max_in_flight(8)) == (2, 8)


def test_a_backoff_ends_when_its_time_is_used_up():
    backoff = Backoff(0.0)

    assert backoff.next_wait() is None
    assert 0 < (Backoff(100.0).next_wait() or 0) <= 0.5
