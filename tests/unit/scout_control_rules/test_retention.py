"""Retention periods: read, written, compared."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.errors import SettingsError
from scout_control.rules import retention

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "hours"),
    [
        ("24h", 24),
        ("1h", 1),
        ("30d", 720),
        ("30 d", 720),
        ("8W", 8 * 168),
        (" forever ", math.inf),
        ("36500d", retention.LONGEST_HOURS),
    ],
)
def test_periods_are_read(period, hours):
    assert retention.parse(period) == hours


@pytest.mark.parametrize(
    "period",
    ["", "0h", "0d", "-1d", "30", "d", "1.5h", "inf", "nan", "1m", "36501d", "99999999h", "1h 2d"],
)
def test_what_is_no_period_is_refused_with_examples(period):
    with pytest.raises(SettingsError, match="24h, 30d, 8w or forever"):
        retention.parse(period)


@given(st.one_of(st.integers(1, retention.LONGEST_HOURS).map(float), st.just(math.inf)))
def test_a_period_is_read_as_it_was_written(hours):
    assert retention.parse(retention.format_period(hours)) == hours


@pytest.mark.parametrize(
    ("hours", "text"), [(24.0, "24h"), (48.0, "2d"), (36.0, "36h"), (math.inf, "forever")]
)
def test_whole_days_are_written_in_days(hours, text):
    assert retention.format_period(hours) == text


@pytest.mark.parametrize(
    ("unused", "hours", "is_over"),
    [
        (timedelta(hours=24), 24.0, True),
        (timedelta(hours=24) - timedelta(microseconds=1), 24.0, False),
        (timedelta(days=99_999), math.inf, False),
        (timedelta(hours=-1), 1.0, False),
        (timedelta(minutes=1), 0.01, True),
    ],
)
def test_when_unused_data_expires(unused, hours, is_over):
    assert retention.is_over(unused, hours) is is_over


def test_the_moment_of_expiry_is_counted_from_the_last_use():
    assert retention.expires_at(NOON, 36.0) == datetime(2026, 3, 31, tzinfo=UTC)
    assert retention.expires_at(NOON, math.inf) is None
