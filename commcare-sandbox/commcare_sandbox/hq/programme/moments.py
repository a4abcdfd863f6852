"""Moments as whole microseconds since 1970, and the ways CommCare spells them.

The search engine behind CommCare compares milliseconds, so records are ordered by those.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
DAY = 86_400 * SECOND
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - CommCare prints naive UTC, so is this

NORMAL, NO_FRACTION, NO_ZONE = range(3)


def micros(moment: datetime) -> int:
    """Return the microseconds since 1970 of a moment; without a zone it is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def read(text: str) -> int:
    """Return the microseconds since 1970 of a moment in any spelling of CommCare."""
    return micros(datetime.fromisoformat(text))


def spell(moment: int, style: int = NORMAL) -> str:
    """Write a moment: with zone, without a fraction of a second, or without a zone."""
    written = _EPOCH + timedelta(microseconds=moment)
    if style == NORMAL:
        return written.isoformat(timespec="microseconds") + "Z"
    if style == NO_FRACTION:
        return written.isoformat(timespec="seconds") + "Z"
    return written.isoformat(timespec="microseconds")


def day(moment: int) -> str:
    """Write the date of a moment."""
    return (_EPOCH + timedelta(microseconds=moment)).date().isoformat()
