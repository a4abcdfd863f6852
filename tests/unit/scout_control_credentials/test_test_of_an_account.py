"""What is shown while an account is tested: the time that is left for the whole test."""

from __future__ import annotations

import time

import pytest
from scout_control.credentials.check import TIMEOUT_SECONDS, _tell_rest
from scout_control.meltano.reports import Wait


def told(reason, left):
    waits = []
    _tell_rest(waits.append, time.monotonic() + left, Wait(reason, 3.0, 1.0))
    [wait] = waits
    return wait


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("HTTP 500, try 2 (giving up in 30 s)", "HTTP 500, try 2"),
        ("HTTP 429, the rate limit of river", "HTTP 429, the rate limit of river"),
        ("no answer from hq (example)", "no answer from hq (example)"),
    ],
)
def test_a_wait_tells_what_is_left_for_the_test_and_not_for_its_request(reason, shown):
    wait = told(reason, TIMEOUT_SECONDS)

    assert wait.reason.startswith(f"{shown} (giving up in 1")
    assert wait.reason.endswith(" s at the latest)")
    assert (wait.seconds, wait.waited_seconds) == (3.0, 1.0)


def test_the_time_that_is_left_is_never_negative():
    assert told("no connection", -5).reason == "no connection (giving up in 0 s at the latest)"
