"""How long a link keeps unused data."""

from __future__ import annotations

from datetime import timedelta

import pytest
from scout_control.rules import retention

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({}, DAY),
        ({"keep": "12h"}, DAY / 2),
        ({"keep": "30d"}, 30 * DAY),
        ({"keep": "2w"}, 14 * DAY),
        ({"keep": "forever"}, timedelta.max),
        ({"keep": "99999w"}, 99999 * 7 * DAY),
        ({"keep": 5}, DAY),
        ({"keep": "damaged"}, DAY),
    ],
)
def test_a_link_keeps_data_as_it_says_or_as_the_installation_does(settings, limit):
    assert retention.limit(settings, DAY) == limit


@pytest.mark.parametrize(
    "value", ["0h", "d", "30", "30 d", "-1d", "100000d", "Forever", "", 5, None]
)
def test_an_invalid_period_is_refused(value):
    error = retention.find_error({"keep": value})

    assert error is not None
    assert "forever" in error


def test_a_valid_period_or_none_is_accepted():
    for settings in ({}, {"keep": "1h"}, {"keep": "forever"}, {"other": 1}):
        assert retention.find_error(settings) is None
