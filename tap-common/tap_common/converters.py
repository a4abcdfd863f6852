"""Converts decoded JSON to values of records; raises for an unreadable value. Pure.

Missing and empty values are None. A value that is not of the type raises ``UnreadableError``; the
caller, which knows the stream, counts it (see ``omissions``). The accepted spellings are those of
Django, Elasticsearch, phones and spreadsheets.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from tap_common.omissions import UnreadableError
from tap_common.timestamps import normalise

T = TypeVar("T")

MAX_DIGITS = 400  # longer numbers measure nothing, and are slow to convert
NAMES: dict[type, str] = {dict: "object", list: "array"}
BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}


def to_text(value: Any) -> str | None:
    """Return text; a number or a boolean becomes text as it is written in JSON."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    return msgspec.json.encode(value).decode()


def to_boolean(value: Any) -> bool | None:
    """Return a boolean, which may be given as text, such as yes or f."""
    if type(value) is bool or value is None or value == "":
        return None if value == "" else value
    boolean = BOOLEANS.get(str(value).strip().lower()) if type(value) in {str, int} else None
    if boolean is None:
        raise UnreadableError("is neither true nor false")
    return boolean


def to_number(value: Any) -> Decimal | None:
    """Return a finite decimal number, exact as written."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    if type(value) is bool or len(text) > MAX_DIGITS:
        raise UnreadableError("is not a number")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise UnreadableError("is not a number") from None
    if not is_writable(number):
        raise UnreadableError("is not a number")
    return number


def to_json_number(value: Any) -> int | float | Decimal | None:
    """Return a JSON number unchanged, and a number given as text with all its digits."""
    if type(value) is int or type(value) is float:
        return value
    return to_number(value)


def is_writable(number: Decimal) -> bool:
    """Return whether a number is finite and short enough to be written out."""
    return number.is_finite() and abs(number.adjusted()) <= MAX_DIGITS


def to_integer(value: Any) -> int | None:
    """Return a whole number, which may be given as text or as a number such as 3.0."""
    if type(value) is int:
        return value
    number = to_number(value)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise UnreadableError("is not a whole number")
    return int(number)


def to_timestamp(value: Any) -> str | None:
    """Return a timestamp as RFC 3339 in UTC."""
    if value is None or value == "":
        return None
    timestamp = normalise(value)
    if timestamp is None:
        raise UnreadableError("is not a date-time")
    return timestamp


def to_date(value: Any) -> str | None:
    """Return a date; the time of a date-time is dropped."""
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise UnreadableError("is not a date") from None


def to_object(value: Any) -> dict[str, Any] | None:
    """Return an object."""
    return _of_type(dict, value)


def to_array(value: Any) -> list[Any] | None:
    """Return a list."""
    return _of_type(list, value)


def _of_type(expected: type[T], value: Any) -> T | None:
    if type(value) is expected:
        return value
    if value is None or value == "":
        return None
    raise UnreadableError(f"is not a JSON {NAMES[expected]}")
