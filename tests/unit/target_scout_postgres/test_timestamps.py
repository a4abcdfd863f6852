"""Date-time formats of common programs, and text that is invalid or ambiguous."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from target_scout_postgres.encoding import binary_copy
from target_scout_postgres.errors import InvalidRecordError

TEN = dt.datetime(2026, 1, 5, 10, tzinfo=dt.UTC)
FORMATS = {
    "2026-01-05 10:00:00 UTC": TEN,  # Ruby
    "2026-01-05 10:00:00 +0000": TEN,
    "2026-01-05 15:30:00 +0530 IST": TEN,  # Go
    "2026-01-05 10:00:00.000000000 +0000 UTC": TEN,
    "2026-01-05T10:00Z[UTC]": TEN,  # Java
    "2026-01-05T11:00+01:00[Europe/Paris]": TEN,
    "2026-01-05T10:00:00.000+0000": TEN,
    "2026-01-05T10:00:00+00:00+00:00": TEN,  # tap-mysql, of rows that were deleted
    "2026-01-05T10:00:00.000000+00:00Z": TEN,  # Python, where someone adds a Z
    "2026-01-05T10:00:00.000Z+0000": TEN,
    "2026-01-05T10:00:00+02:00+00:00": None,
    "2026-01-05T10:00:00+00:00+02:00": None,
    "2026-01-05T10:00:00+02:00Z": None,
    "2026-01-05T10:00:00ZZZ": None,
    "Mon Jan 05 10:00:00 UTC 2026": TEN,
    "Mon Jan  5 10:00:00 2026": TEN,  # C
    "Mon, 05 Jan 2026 10:00:00 GMT": TEN,  # mail, HTTP
    "5 Jan 2026 12:00:00 +0200": TEN,
    "2026/01/05 10:00": TEN,  # spreadsheets
    "2026/1/5 9:60": None,
    "2026-01-05 10:00:00 AM": TEN,
    "2026-01-05 10:00:00 PM": TEN + dt.timedelta(hours=12),
    "2026-01-05 12:00 am": TEN - dt.timedelta(hours=10),
    "2026-01-05 10:00:00.0": TEN,
    "20260105T100000Z": TEN,
    " 2026-01-05T10:00:00z ": TEN,
    "2026-01-05T25:59:00+15:59": None,
    "2026-01-06T01:59:00+15:59": TEN,
    "2026-01-04T18:01:00-15:59": TEN,
    "2026-01-05T10:00:00+16:00": None,
    "2026-01-05T10:00:00+25:00": None,
    "2026-01-05T10:00:00-24:00": None,
    "2026-01-05T10:00:00+05:75": None,
    "2026-01-05T10:00:00+99": None,
    "2026-01-05 10:00:00 EST": None,
    "2026-01-05T10:00[Europe/Paris]": None,
    "01/02/2026 10:00": None,
    "05.01.2026": None,
    "2026-01/05": None,
    "2026-01-05T": None,
    "2026-01-05Z": None,
    "2026-01-05 13:00 PM": None,
    "2026-02-30 10:00:00 UTC": None,
    "Mon Foo 05 10:00:00 UTC 2026": None,
    "UTC": None,
    "": None,
}


@pytest.mark.parametrize("text", FORMATS)
def test_a_date_time_is_parsed_as_its_program_meant_it_or_rejected(text):
    raw = json.dumps(text).encode()
    expected = FORMATS[text]
    if expected is None:
        with pytest.raises(InvalidRecordError):
            binary_copy.timestamptz(raw)
        return
    microseconds = int.from_bytes(binary_copy.timestamptz(raw)[4:], "big", signed=True)
    assert (
        dt.datetime(2000, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds) == expected
    )
