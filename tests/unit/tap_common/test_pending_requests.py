"""A server that does not answer is named in the log within two seconds."""

from __future__ import annotations

import logging

import pytest
from tap_common import waits
from tap_common.pending_requests import FIRST_SECONDS, REPEATED_SECONDS, PendingRequests


@pytest.fixture
def heard(caplog):
    caplog.set_level(logging.INFO, waits.log.name)
    return lambda: [(each.getMessage(), each.waiting) for each in caplog.records]


def pending(**begun) -> PendingRequests:
    watched = PendingRequests("hq.example")
    watched._begun = dict(enumerate(begun.values()))
    return watched


def test_a_silence_is_logged_soon_and_then_now_and_then(heard):
    watched = pending(first=100.0)
    for now in (100.0, 101.0, 100.0 + FIRST_SECONDS, 103.0, 110.0):
        watched.check(now)
    assert FIRST_SECONDS < 2
    assert [text for text, _ in heard()] == ["waiting for 2 s: no answer from hq.example"]

    watched.check(100.0 + FIRST_SECONDS + REPEATED_SECONDS)
    assert heard()[1] == (
        "waiting for 16 s: no answer from hq.example",
        {"reason": "no answer from hq.example", "seconds": None, "waited": 16.5},
    )


def test_the_end_of_a_silence_is_logged_once(heard):
    watched = pending(first=100.0)
    watched.check(102.0)
    watched._end(0, 104.0, is_answered=True)

    assert heard()[-1] == ("hq.example answered after 4.0 s", None)
    watched._begun = {0: 104.0}
    watched._end(0, 104.2, is_answered=True)
    assert len(heard()) == 2


def test_a_server_that_answers_other_requests_is_not_silent(heard):
    watched = pending(slow=100.0, quick=100.5)
    watched._end(1, 101.4, is_answered=True)
    watched.check(102.0)

    assert heard() == []


def test_a_request_that_fails_is_not_an_answer(heard):
    watched = pending(first=100.0)
    watched.check(102.0)
    watched._end(0, 110.0, is_answered=False)

    assert len(heard()) == 1


def test_nothing_is_in_flight_after_a_request(heard):
    watched = PendingRequests("hq.example")
    with watched.sent():
        assert len(watched._begun) == 1
    with pytest.raises(OSError, match="lost"), watched.sent():
        raise OSError("lost")

    assert watched._begun == {}
    assert heard() == []


@pytest.mark.parametrize(
    ("log", "text", "reason"),
    [
        (
            lambda: waits.log_rate_limit("river", 15, 429),
            "waiting 15.0 s: HTTP 429, the rate limit of river",
            "HTTP 429, the rate limit of river",
        ),
        (
            lambda: waits.log_retry("hq.example /a", "no connection", 1, 0.7, 299.3),
            "waiting 0.7 s: hq.example /a: no connection, try 2 (giving up in 299 s)",
            "no connection, try 2 (giving up in 299 s)",
        ),
    ],
)
def test_waits_are_logged_for_people_and_programs(heard, log, text, reason):
    log()
    [(said, field)] = heard()

    assert (said, field["reason"]) == (text, reason)
    assert field["seconds"] > 0
