"""Converts the bytes of JSON to values of records; raises for an unreadable value. Pure.

These are the conversions of ``converters`` for rows that were decoded no deeper than their
properties. A value that needs no conversion is passed on as the bytes in which it was received.
That is faster, and numbers keep all their digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from tap_common import converters
from tap_common.omissions import UnreadableError
from tap_common.timestamps import parse, to_rfc3339

Raw = msgspec.Raw
RawRow = Mapping[str, Raw]
"""A row as the API sent it, value by value."""
RawConvert = Callable[[Raw], Any]

NULL = Raw(b"null")
EMPTY_OBJECT = Raw(b"{}")
_EMPTY = frozenset({b"null", b'""'})
_MAX_64_BIT_DIGITS = 18


def text(raw: Raw) -> Any:
    """Return text; a number or a boolean becomes text as it is written in JSON."""
    data = bytes(raw)
    if data in _EMPTY:
        return None
    return raw if data[:1] == b'"' else data.decode()


def key(raw: Raw) -> Any:
    """Return text; raise UnreadableError if it is empty."""
    return _required(text(raw))


def integer(raw: Raw) -> Any:
    """Return a whole number, which may be given as text."""
    data = bytes(raw)
    is_plain = data.isdigit() and len(data) <= _MAX_64_BIT_DIGITS
    return raw if is_plain else converters.to_integer(_exact(data))


def key_integer(raw: Raw) -> Any:
    """Return a whole number; raise UnreadableError if it is missing."""
    return _required(integer(raw))


def number(raw: Raw) -> Decimal | None:
    """Return a decimal number with all its digits; it may be given as text."""
    return converters.to_number(_exact(bytes(raw)))


def boolean(raw: Raw) -> Any:
    """Return a boolean, which may be given as text."""
    return converters.to_boolean(msgspec.json.decode(raw))


def timestamp(raw: Raw) -> str | None:
    """Return a timestamp as RFC 3339 in UTC."""
    return converters.to_timestamp(msgspec.json.decode(raw))


def date(raw: Raw) -> str | None:
    """Return a date; the time of a date-time is dropped."""
    return converters.to_date(msgspec.json.decode(raw))


def json(raw: Raw) -> Any:
    """Return an object or a list unchanged."""
    return raw if is_present(raw) else None


def is_present(raw: Raw) -> bool:
    """Return whether a value is neither null nor empty text."""
    return bytes(raw) not in _EMPTY


def canonical(value: Any) -> Any:
    """Return the canonical form of a value, for comparing and hashing."""
    if isinstance(value, Raw):
        return msgspec.json.decode(value)
    return format(value.normalize(), "f") if isinstance(value, Decimal) else value


def canonical_timestamp(value: str | datetime | None) -> str | None:
    """Return the canonical form of a timestamp, as text."""
    if value is None:
        return None
    return to_rfc3339(parse(value) if isinstance(value, str) else value)


def _exact(data: bytes) -> Any:
    """Decode a value; a number becomes text, because a float would lose digits."""
    return data.decode() if data[:1] in b"-0123456789" else msgspec.json.decode(data)


def _required(value: Any) -> Any:
    if value is None:
        raise UnreadableError("is missing")
    return value
