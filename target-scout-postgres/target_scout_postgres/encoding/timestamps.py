"""Parses dates, times of day and date-times into days and microseconds since 2000-01-01.

ISO 8601, and the formats that programs commonly write instead: Ruby (`2026-01-05 10:00:00 UTC`), Go
(`+0000 UTC`), Java (`Z[UTC]`, `Mon Jan 05 10:00:00 UTC 2026`), mail and HTTP (RFC 2822),
spreadsheets (`2026/01/05 10:00 PM`). Ambiguous input such as `01/02/2026` is invalid. Pure.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

from target_scout_postgres.encoding.column_types import DATE, TIMESTAMPTZ
from target_scout_postgres.errors import InvalidRecordError

EPOCH_DAY = dt.date(2000, 1, 1).toordinal()
DAY_MICROSECONDS = 86_400_000_000
# The range of Postgres in days since 2000-01-01: 4713-11-24 BC to 5874897 (date) or 294276 AD.
FIRST_DAY = -2_451_545
LAST_DAY = {DATE: 2_145_031_948, TIMESTAMPTZ: 106_751_982}
LARGEST_OFFSET = dt.timedelta(hours=16)  # as in Postgres: Manila was once 15:56:08 behind UTC
EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
NAIVE_EPOCH = EPOCH.replace(tzinfo=None)  # a date-time without a zone is UTC

DAY = re.compile(
    r"\s*([+-]?\d{4,7})(?:([-/])(\d\d?)\2(\d\d?)|(\d\d)(\d\d))(?:(?:[Tt]|\s+)(?=\S)(.*))?\s*\Z",
    re.DOTALL,
)
# UTC written twice: tap-mysql appends an offset to date-times that already have one.
REPEATED_UTC = r"(?:(?:Z|\+00:?00)(?=(?:Z|\+00:?00)\s*\Z))?"
CLOCK = re.compile(
    r"\s*T?(\d\d|\d(?=:))(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9})\d*)?)?)?\s*([AaPp][Mm])?"
    r"\s*"
    + REPEATED_UTC
    + r"(?:(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)(?:\s[A-Z]{2,5})?(?:\[[\w/+:-]+\])?)?\s*\Z"
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH = "|".join(MONTHS)
# Mon, 05 Jan 2026 10:00:00 +0000, and Mon Jan  5 10:00:00 UTC 2026.
WITH_MONTH_NAME = (
    re.compile(rf"(?:[A-Z][a-z]{{2}},? )?(?P<d>\d\d?) (?P<m>{MONTH}) (?P<y>\d{{4}})(?P<time>.*)"),
    re.compile(rf"[A-Z][a-z]{{2}} (?P<m>{MONTH}) +(?P<d>\d\d?) (?P<time>[\d:]+.*) (?P<y>\d{{4}})"),
)


class TimeOfDay(NamedTuple):
    """Microseconds since midnight, and the offset of its zone from UTC in microseconds."""

    microseconds: int
    offset: int | None


def parse_date(value: str, column_type: str) -> tuple[int, TimeOfDay | None]:
    """Return the days since 2000-01-01, and the time of day if the text has one.

    Raises:
        InvalidRecordError: The text is not a date, or outside the range of the column type.
    """
    match = DAY.match(value) or DAY.match(_as_iso(value))
    if not match:
        raise InvalidRecordError("is not a date" if column_type == DATE else "is not a date-time")
    year, _, *month_and_day, rest = match.groups()
    month, day = (int(part) for part in month_and_day if part)
    return _days(int(year), month, day, column_type), parse_time(rest) if rest else None


def _as_iso(value: str) -> str:
    """Return a date-time with a month name as ISO 8601; any other text unchanged."""
    for pattern in WITH_MONTH_NAME:
        if match := pattern.fullmatch(value.strip()):
            month = MONTHS.index(match["m"]) + 1
            return f"{match['y']}-{month:02}-{int(match['d']):02} {match['time']}"
    return value


def _days(year: int, month: int, day: int, column_type: str) -> int:
    """Return the days since 2000-01-01 in the proleptic Gregorian calendar; year 0 is 1 BC."""
    if not 1 <= month <= 12 or not 1 <= day <= _month_days(year, month):
        raise InvalidRecordError("is not a date of the calendar")
    # Python has the years 1 to 9999 only; the calendar repeats every 400 years of 146,097 days.
    cycles, year_of_cycle = divmod(year - 1, 400)
    days = dt.date(year_of_cycle + 1, month, day).toordinal() + cycles * 146_097 - EPOCH_DAY
    if not FIRST_DAY < days < LAST_DAY[column_type]:
        raise InvalidRecordError("is a date outside the range of Postgres")
    return days


def _month_days(year: int, month: int) -> int:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (31, 29 if is_leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def parse_time(value: str) -> TimeOfDay:
    """Parse a time of day; 24:00 and a leap second are allowed."""
    match = CLOCK.match(value)
    if not match:
        raise InvalidRecordError("is not a time of day")
    hour, minute, second, fraction, am_pm, zone = match.groups(default="")
    seconds = _hour(int(hour), am_pm) * 3600 + int(minute or 0) * 60 + int(second or 0)
    is_in_range = int(minute or 0) < 60 and int(second or 0) <= 60
    # Round half up, as msgspec does on the fast path: both paths must give the same bytes.
    microseconds = seconds * 1_000_000 + (int((fraction or "0").ljust(9, "0")) + 500) // 1000
    if not is_in_range or microseconds > DAY_MICROSECONDS + 1_000_000:
        raise InvalidRecordError("is not a time of day")
    return TimeOfDay(microseconds, _offset(zone))


def _hour(hour: int, am_pm: str) -> int:
    """Return the hour of the day; with AM or PM the given hour runs from 1 to 12."""
    if not am_pm:
        return hour
    if not 1 <= hour <= 12:
        raise InvalidRecordError("is not a time of day")
    return hour % 12 + (12 if am_pm in ("PM", "pm") else 0)


def _offset(zone: str) -> int | None:
    if not zone:
        return None
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    ahead = hours * 3600 + minutes * 60 + seconds
    if ahead >= LARGEST_OFFSET.seconds or minutes > 59 or seconds > 59:
        raise InvalidRecordError("has an invalid offset from UTC")
    return (-ahead if zone[0] == "-" else ahead) * 1_000_000


def since_epoch(moment: dt.datetime) -> dt.timedelta:
    """Return the time since 2000-01-01 UTC; an invalid offset raises ValueError."""
    offset = moment.utcoffset()
    if offset is not None and abs(offset) >= LARGEST_OFFSET:
        raise ValueError
    return moment - (NAIVE_EPOCH if offset is None else EPOCH)


def microseconds(moment: dt.datetime) -> int:
    """Return the microseconds since 2000-01-01 UTC; without a zone the moment is UTC."""
    elapsed = since_epoch(moment)
    return elapsed.days * 86_400_000_000 + elapsed.seconds * 1_000_000 + elapsed.microseconds
