"""Moments as whole microseconds since 1970, and the ways CommCare spells them.

The search engine behind CommCare compares milliseconds, so records are ordered by those.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
DAY = 86_400 * SECOND
_EPOCH = date(1970, 1, 1)

NORMAL, NO_FRACTION, NO_ZONE = range(3)


def to_micros(moment: datetime) -> int:
    """Return the microseconds since 1970 of a moment; without a zone it is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def read(text: str) -> int:
    """Return the microseconds since 1970 of a moment in any spelling of CommCare."""
    return to_micros(datetime.fromisoformat(text))


def render(moment: int, style: int = NORMAL) -> str:
    """Write a moment: with zone, without a fraction of a second, or without a zone."""
    seconds, fraction = divmod(moment, SECOND)
    number, rest = divmod(seconds, 86_400)
    minute, second = divmod(rest, 60)
    unpaginated = f"{_date(number)}{_MINUTES[minute]}{second:02d}"
    if style == NO_FRACTION:
        return f"{unpaginated}Z"
    return f"{unpaginated}.{fraction:06d}{'Z' if style == NORMAL else ''}"


def day(moment: int) -> str:
    """Write the date of a moment."""
    return _date(moment // DAY)


@lru_cache(4096)
def _date(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


_MINUTES = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
