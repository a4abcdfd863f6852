"""Parses timestamps in all formats that the APIs use. Pure; all timestamps are UTC.

Times are compared as whole milliseconds since 1970, because the search engine behind CommCare HQ
compares them so; what is emitted keeps its microseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NORMAL_LENGTHS = (20, 24, 27)  # ...:SSZ, ...:SS.mmmZ, ...:SS.ffffffZ


def parse(text: str) -> datetime:
    """Return an ISO 8601 text as a datetime in UTC, which is also assumed without an offset.

    Raises:
        ValueError: The text is not a date or date-time of ISO 8601.
    """
    parsed = _from_iso(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _from_iso(text: str) -> datetime:
    # RFC 3339 allows small letters. Python takes any letter for T, but not this one.
    return datetime.fromisoformat(f"{text[:-1]}Z" if text[-1:] == "z" else text)


def to_rfc3339(value: datetime) -> str:
    """Return a datetime as RFC 3339 in UTC, with microseconds."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def normalise(text: object) -> str | None:
    """Return a timestamp of an API as RFC 3339 in UTC; None if it is empty or unreadable."""
    if type(text) is not str or not text:
        return None
    try:
        parsed = _from_iso(text)
        if text[-1] == "Z" and len(text) in NORMAL_LENGTHS and text[10] == "T":
            return text
        return to_rfc3339(parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed)
    except (ValueError, OverflowError):
        return None


def datetime_to_millis(value: datetime) -> int:
    """Return the whole milliseconds since 1970, truncated."""
    return (value - EPOCH) // timedelta(milliseconds=1)


def to_millis(text: str) -> int:
    """Return an ISO 8601 text as whole milliseconds since 1970, truncated.

    Raises:
        ValueError: The text is not a timestamp.
    """
    return datetime_to_millis(parse(text))


def from_millis(millis: int) -> datetime:
    """Return the datetime at a number of milliseconds since 1970, or the nearest that exists."""
    return EPOCH + timedelta(milliseconds=min(max(millis, FIRST_MILLIS), LAST_MILLIS))


def without_invalid(entry: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a mapping without the named items, if they are not timestamps."""
    return {name: value for name, value in entry.items() if name not in names or normalise(value)}


FIRST_MILLIS = datetime_to_millis(datetime.min.replace(tzinfo=UTC))
LAST_MILLIS = datetime_to_millis(datetime.max.replace(tzinfo=UTC))
