"""Dates, times of day and date-times as sources spell them, as numbers of days and microseconds.

ISO 8601 first, and what programs write in its place: Ruby (`2026-01-05 10:00:00 UTC`), Go (`+0000
UTC`), Java (`Z[UTC]`, `Mon Jan 05 10:00:00 UTC 2026`), mail and HTTP (RFC 2822), spreadsheets
(`2026/01/05 10:00 PM`). What could be read in two ways, `01/02/2026`, is refused. Pure.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

from target_scout_postgres.encoding.column_types import DATE, TIMESTAMPTZ
from target_scout_postgres.errors import RefusedError

EPOCH_DAY = dt.date(2000, 1, 1).toordinal()
DAY_MICROSECONDS = 86_400_000_000
# Days from 2000-01-01 to what Postgres can hold: 4713-11-24 BC, and 5874897 (date) or 294276 AD.
FIRST_DAY = -2_451_545
LAST_DAY = {DATE: 2_145_031_948, TIMESTAMPTZ: 106_751_982}
LARGEST_OFFSET = dt.timedelta(hours=16)  # as in Postgres: Manila once was 15:56:08 behind UTC
NAIVE_EPOCH = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - a date-time without a zone is UTC
EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

DAY = re.compile(
    r"\s*([+-]?\d{4,7})(?:([-/])(\d\d?)\2(\d\d?)|(\d\d)(\d\d))(?:(?:[Tt]|\s+)(?=\S)(.*))?\s*\Z",
    re.DOTALL,
)
# UTC before another UTC: what adds an offset to a date-time that has one already.
TWICE = r"(?:(?:Z|\+00:?00)(?=(?:Z|\+00:?00)\s*\Z))?"
CLOCK = re.compile(
    r"\s*T?(\d\d|\d(?=:))(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9})\d*)?)?)?\s*([AaPp][Mm])?"
    r"\s*"
    + TWICE
    + r"(?:(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)(?:\s[A-Z]{2,5})?(?:\[[\w/+:-]+\])?)?\s*\Z"
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH = "|".join(MONTHS)
# Mon, 05 Jan 2026 10:00:00 +0000, and Mon Jan  5 10:00:00 UTC 2026.
NAMED = (
    re.compile(rf"(?:[A-Z][a-z]{{2}},? )?(?P<d>\d\d?) (?P<m>{MONTH}) (?P<y>\d{{4}})(?P<clock>.*)"),
    re.compile(rf"[A-Z][a-z]{{2}} (?P<m>{MONTH}) +(?P<d>\d\d?) (?P<clock>[\d:]+.*) (?P<y>\d{{4}})"),
)


class Clock(NamedTuple):
    """A time of day: microseconds from midnight, and those that its zone is ahead of UTC."""

    microseconds: int
    offset: int | None


def day_and_clock(value: str, kind: str) -> tuple[int, Clock | None]:
    """Return the days from 2000-01-01, and the time of day, if there is one.

    Raises:
        RefusedError: It is neither, or beyond what the type can hold.
    """
    match = DAY.match(value) or DAY.match(_as_iso(value))
    if not match:
        raise RefusedError("is not a date" if kind == DATE else "is not a date-time")
    year, _, *month_and_day, rest = match.groups()
    month, day = (int(part) for part in month_and_day if part)
    return _days(int(year), month, day, kind), clock(rest) if rest else None


def _as_iso(value: str) -> str:
    """Return a date-time that names its month as ISO 8601 has it; anything else as it is."""
    for form in NAMED:
        if found := form.fullmatch(value.strip()):
            month = MONTHS.index(found["m"]) + 1
            return f"{found['y']}-{month:02}-{int(found['d']):02} {found['clock']}"
    return value


def _days(year: int, month: int, day: int, kind: str) -> int:
    """Return the days from 2000-01-01 of the proleptic Gregorian calendar, year 0 being 1 BC."""
    if not 1 <= month <= 12 or not 1 <= day <= _month_days(year, month):
        raise RefusedError("is a date that the calendar does not have")
    cycles, of_cycle = divmod(year - 1, 400)
    days = dt.date(of_cycle + 1, month, day).toordinal() + cycles * 146_097 - EPOCH_DAY
    if not FIRST_DAY < days < LAST_DAY[kind]:
        raise RefusedError("is a date beyond the range of Postgres")
    return days


def _month_days(year: int, month: int) -> int:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (31, 29 if is_leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def clock(value: str) -> Clock:
    """Return a time of day; 24:00 and a leap second are allowed."""
    match = CLOCK.match(value)
    if not match:
        raise RefusedError("is not a time of day")
    hour, minute, second, fraction, half, zone = match.groups(default="")
    seconds = _hour(int(hour), half) * 3600 + int(minute or 0) * 60 + int(second or 0)
    is_whole = int(minute or 0) < 60 and int(second or 0) <= 60
    # Half up, as msgspec rounds on the fast way.
    microseconds = seconds * 1_000_000 + (int((fraction or "0").ljust(9, "0")) + 500) // 1000
    if not is_whole or microseconds > DAY_MICROSECONDS + 1_000_000:
        raise RefusedError("is not a time of day")
    return Clock(microseconds, _offset(zone))


def _hour(hour: int, half: str) -> int:
    """Return the hour of the day; with AM or PM it runs from 1 to 12."""
    if not half:
        return hour
    if not 1 <= hour <= 12:
        raise RefusedError("is not a time of day")
    return hour % 12 + (12 if half in ("PM", "pm") else 0)


def _offset(zone: str) -> int | None:
    if not zone:
        return None
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    ahead = hours * 3600 + minutes * 60 + seconds
    if ahead >= LARGEST_OFFSET.seconds or minutes > 59 or seconds > 59:
        raise RefusedError("has an offset from UTC that no clock has")
    return (-ahead if zone[0] == "-" else ahead) * 1_000_000


def since_epoch(moment: dt.datetime) -> dt.timedelta:
    """Return the time from 2000-01-01 UTC; an offset that no clock has raises ValueError."""
    offset = moment.utcoffset()
    if offset is not None and abs(offset) >= LARGEST_OFFSET:
        raise ValueError
    return moment - (NAIVE_EPOCH if offset is None else EPOCH)


def microseconds(moment: dt.datetime) -> int:
    """Return the microseconds from 2000-01-01 UTC; without a zone the moment is UTC."""
    passed = since_epoch(moment)
    return passed.days * 86_400_000_000 + passed.seconds * 1_000_000 + passed.microseconds
