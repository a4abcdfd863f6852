"""Date parameters of v1 and v2 lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from dateutil import parser

from commcare_sandbox.hq.data.collection import FOREVER, DateRange
from commcare_sandbox.hq.data.timestamps import to_micros
from commcare_sandbox.http_types import bad_request

_V1 = (
    (re.compile(r"\d{4}-\d\d-\d\d"), "%Y-%m-%d"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"), "%Y-%m-%dT%H:%M:%S"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}"), "%Y-%m-%dT%H:%M:%S.%f"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ"), "%Y-%m-%dT%H:%MZ"),
)
DAY_MS = 86_400_000
_read: Callable[[str], datetime] = parser.parse


def v1_millisecond(text: str) -> int:
    """Parse a date bound of a v1 list; HQ accepts four formats, none with seconds and a zone."""
    for regex, pattern in _V1:
        if regex.fullmatch(text):
            try:
                return to_micros(datetime.strptime(text, pattern).replace(tzinfo=UTC)) // 1000
            except ValueError:
                break
    raise bad_request(f"Bad query parameter: Unknown date format: {text}")


def v2_date_range(field: str, comparison: str, text: str) -> DateRange:
    """Parse a date bound of case v2: a date is a whole day, a timestamp may have an offset."""
    comparisons = ("gt", "gte", "lt", "lte")
    if comparison not in comparisons:
        raise bad_request(f"'{comparison}' is not a valid type of date range.")
    start, end = _span(text)
    return {
        # `gt` a date begins after that day, as HQ's own tests have it.
        "gt": DateRange(field, low=end + 1),
        "gte": DateRange(field, low=start),
        "lt": DateRange(field, high=start - 1),
        "lte": DateRange(field, high=end),
    }[comparison]


def _span(text: str) -> tuple[int, int]:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text)
            start = to_micros(datetime(day.year, day.month, day.day, tzinfo=UTC)) // 1000
            return start, start + DAY_MS - 1
        timestamp = to_micros(_moment(text)) // 1000
    except (ValueError, OverflowError):
        raise bad_request(f"Cannot parse datetime '{text}'") from None
    return timestamp, timestamp


def _moment(text: str) -> datetime:
    """Parse a timestamp in any format that HQ accepts, such as March 5 2024."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = _read(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def intersect(date_ranges: list[DateRange]) -> tuple[DateRange, ...]:
    """Return one date range per field, the intersection of all its ranges."""
    fields = dict.fromkeys(date_range.field for date_range in date_ranges)
    return tuple(
        DateRange(
            field,
            max((w.low for w in date_ranges if w.field == field), default=-FOREVER),
            min((w.high for w in date_ranges if w.field == field), default=FOREVER),
        )
        for field in fields
    )
