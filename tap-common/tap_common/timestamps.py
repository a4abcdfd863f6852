"""Timestamps in every spelling that the APIs use. Pure; all of them are UTC.

Moments are compared as whole milliseconds since 1970, which is how the search engine behind
CommCare HQ compares them; microseconds are kept in what is emitted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NORMAL_LENGTHS = (20, 24, 27)  # ...:SSZ, ...:SS.mmmZ, ...:SS.ffffffZ


def parse(text: str) -> datetime:
    """Return the moment that a text names; without a zone it is UTC.

    Raises:
        ValueError: The text is not a date or date-time of ISO 8601.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def spell(moment: datetime) -> str:
    """Spell a moment as RFC 3339 in UTC, with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def normalise(text: object) -> str | None:
    """Return a timestamp of an API as RFC 3339 in UTC; missing, empty and unreadable are None."""
    if type(text) is not str or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if text[-1] == "Z" and len(text) in NORMAL_LENGTHS and text[10] == "T":
            return text
        return spell(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)
    except (ValueError, OverflowError):
        return None


def milliseconds(moment: datetime) -> int:
    """Return the whole milliseconds since 1970 of a moment, cut off, never rounded."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def stamp(text: str) -> int:
    """Return the whole milliseconds since 1970 of a text.

    Raises:
        ValueError: The text is not a timestamp.
    """
    return milliseconds(parse(text))


def moment(stamp: int) -> datetime:
    """Return the moment of a stamp in milliseconds, or the nearest that there is."""
    return EPOCH + timedelta(milliseconds=min(max(stamp, FIRST), LAST))


def without_invalid(entry: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return what a state holds, without what should be a moment and is none."""
    return {n: held for n, held in entry.items() if n not in names or normalise(held)}


FIRST = milliseconds(datetime.min.replace(tzinfo=UTC))
LAST = milliseconds(datetime.max.replace(tzinfo=UTC))
