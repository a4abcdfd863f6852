"""How long a test of a credential may wait for its source."""

from __future__ import annotations

import pytest
from scout_control.credentials.check import LONGEST_WAITS, TIMEOUT_SECONDS, shorter_waits

NAMES = ("domain", *LONGEST_WAITS)


@pytest.mark.parametrize("given", [{}, {"max_retry_seconds": 900}, {"max_retry_seconds": "$TIME"}])
def test_a_tap_gives_up_with_its_reason_before_the_test_is_ended(given):
    waits = shorter_waits(given, NAMES)

    assert set(waits) == {*NAMES} - {"domain"}
    assert sum(waits.values()) <= TIMEOUT_SECONDS


def test_waits_that_are_set_lower_are_kept():
    given = {"max_retry_seconds": 5, "read_timeout": 1}

    assert shorter_waits(given, NAMES) == {"max_rate_limit_wait": 30, "connect_timeout": 10}


def test_a_tap_without_such_settings_gets_none():
    assert shorter_waits({}, ("host",)) == {}
