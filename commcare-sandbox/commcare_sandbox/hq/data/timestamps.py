"""Timestamps as microseconds since 1970, and CommCare's formats of them.

The search engine behind CommCare compares milliseconds, so records are ordered by those.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
DAY = 86_400 * SECOND
_EPOCH = date(1970, 1, 1)

NORMAL, NO_FRACTION, NO_ZONE = range(3)


def to_micros(timestamp: datetime) -> int:
    """Return microseconds since 1970; a naive datetime is UTC."""
    aware = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def read(text: str) -> int:
    """Parse a timestamp in any of CommCare's formats; microseconds since 1970."""
    return to_micros(datetime.fromisoformat(text))


def render(timestamp: int, style: int = NORMAL) -> str:
    """Format a timestamp: with zone, without fraction, or without zone."""
    seconds, fraction = divmod(timestamp, SECOND)
    number, rest = divmod(seconds, 86_400)
    minute, second = divmod(rest, 60)
    whole = f"{_date(number)}{_MINUTES[minute]}{second:02d}"
    if style == NO_FRACTION:
        return f"{whole}Z"
    return f"{whole}.{fraction:06d}{'Z' if style == NORMAL else ''}"


def day(timestamp: int) -> str:
    """Format the date of a timestamp."""
    return _date(timestamp // DAY)


@lru_cache(4096)
def _date(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


_MINUTES = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
