"""Timestamps in all spellings that the APIs use."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_common import timestamps


@pytest.mark.parametrize(
    ("spelled", "normal"),
    [
        ("2016-11-29T14:50:43.100000Z", "2016-11-29T14:50:43.100000Z"),
        ("2013-09-21T04:06:18Z", "2013-09-21T04:06:18Z"),
        ("2013-09-21T04:06:18.123Z", "2013-09-21T04:06:18.123Z"),
        ("2017-08-29T11:20:16.297773", "2017-08-29T11:20:16.297773Z"),
        ("2020-04-01T21:57:26", "2020-04-01T21:57:26.000000Z"),
        ("1900-01-01", "1900-01-01T00:00:00.000000Z"),
        ("2024-05-01T12:00:00+05:30", "2024-05-01T06:30:00.000000Z"),
        ("2024-05-01 12:00:00", "2024-05-01T12:00:00.000000Z"),
        ("2024-05-01t12:00:00z", "2024-05-01T12:00:00.000000Z"),
        ("2024-05-01T12:00:00.5z", "2024-05-01T12:00:00.500000Z"),
        ("z", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("2024-13-01T00:00:00.000000Z", None),
        ("soon", None),
        ("", None),
        (None, None),
        (1700000000, None),
    ],
)
def test_a_spelling_becomes_rfc_3339_in_utc(spelled, normal):
    assert timestamps.normalise(spelled) == normal


@given(st.datetimes(timezones=st.just(UTC)))
def test_formatting_keeps_every_microsecond(moment):
    spelled = timestamps.to_rfc3339(moment)

    assert timestamps.parse(spelled) == moment
    assert timestamps.normalise(spelled) == spelled


@given(st.integers(min_value=-(10**12), max_value=10**13))
def test_milliseconds_survive_the_conversion_to_a_datetime(stamp):
    assert timestamps.datetime_to_millis(timestamps.from_millis(stamp)) == stamp


def test_milliseconds_are_cut_off_and_never_rounded():
    assert timestamps.to_millis("2024-01-01T00:00:00.999999Z") % 1000 == 999
    assert timestamps.to_millis("1969-12-31T23:59:59.999999Z") == -1


@pytest.mark.parametrize("stamp", [-(10**20), 10**20])
def test_milliseconds_beyond_all_years_are_the_nearest_datetime(stamp):
    assert timestamps.from_millis(stamp).year in {1, 9999}


def test_invalid_timestamps_are_removed_from_a_bookmark():
    held = {"latest": 5, "since": None, "read_to": "soon", "known": "2025-01-01T00:00:00Z", "x": 5}

    left = timestamps.without_invalid(held, ("latest", "since", "read_to", "known"))

    assert left == {"known": "2025-01-01T00:00:00Z", "x": 5}
