"""Single values of an API as values of a record: one family for both taps. Pure.

Missing and empty values are None. A value that cannot be read raises ``UnreadableError``: whoever
knows the stream decides what then. The spellings are those that Django, Elasticsearch, phones and
spreadsheets write.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from tap_common.timestamps import normalise

LONGEST_NUMBER = 400  # digits; more are no number of anything, and slow to convert
BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}


class UnreadableError(ValueError):
    """A value is not of the type of its column."""


def to_text(value: Any) -> str | None:
    """Return text; a number or a boolean is written as in JSON."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    return msgspec.json.encode(value).decode()


def to_boolean(value: Any) -> bool | None:
    """Return a boolean, also from its spellings as text."""
    if type(value) is bool or value is None or value == "":
        return None if value == "" else value
    found = BOOLEANS.get(str(value).strip().lower()) if type(value) in {str, int} else None
    if found is None:
        raise UnreadableError("is neither true nor false")
    return found


def to_number(value: Any) -> Decimal | None:
    """Return a finite decimal number, exact as written."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    if type(value) is bool or len(text) > LONGEST_NUMBER:
        raise UnreadableError("is no number")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise UnreadableError("is no number") from None
    if not is_writable(number):
        raise UnreadableError("is no number")
    return number


def is_writable(number: Decimal) -> bool:
    """Return whether a number has so few digits that it can be written out."""
    return number.is_finite() and abs(number.adjusted()) <= LONGEST_NUMBER


def to_integer(value: Any) -> int | None:
    """Return a whole number, also from text or from a decimal number without fraction."""
    if type(value) is int:
        return value
    number = to_number(value)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise UnreadableError("is no whole number")
    return int(number)


def to_timestamp(value: Any) -> str | None:
    """Return a timestamp as RFC 3339 in UTC."""
    if value is None or value == "":
        return None
    found = normalise(value)
    if found is None:
        raise UnreadableError("is no date-time")
    return found


def to_date(value: Any) -> str | None:
    """Return a date; the time of a date-time is cut off."""
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise UnreadableError("is no date") from None
