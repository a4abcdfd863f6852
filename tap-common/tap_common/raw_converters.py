"""From the bytes of JSON to a value of a record: an unreadable one raises. Pure.

These are the conversions of ``converters`` for rows that were decoded no deeper than their
properties. A value whose spelling does not have to change is passed on as bytes, and so keeps every
digit.
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
    """Return text; a number or a boolean as JSON spells it."""
    data = bytes(raw)
    if data in _EMPTY:
        return None
    return raw if data[:1] == b'"' else data.decode()


def key(raw: Raw) -> Any:
    """Return text, which must not be empty."""
    return _required(text(raw))


def integer(raw: Raw) -> Any:
    """Return a whole number, also from text."""
    data = bytes(raw)
    is_plain = data.isdigit() and len(data) <= _MAX_64_BIT_DIGITS
    return raw if is_plain else converters.to_integer(_exact(data))


def key_integer(raw: Raw) -> Any:
    """Return a whole number, which must not be missing."""
    return _required(integer(raw))


def number(raw: Raw) -> Decimal | None:
    """Return a decimal number with every digit, also from text."""
    return converters.to_number(_exact(bytes(raw)))


def boolean(raw: Raw) -> Any:
    """Return a boolean, also from text."""
    return converters.to_boolean(msgspec.json.decode(raw))


def timestamp(raw: Raw) -> str | None:
    """Return a timestamp as RFC 3339 in UTC."""
    return converters.to_timestamp(msgspec.json.decode(raw))


def date(raw: Raw) -> str | None:
    """Return a date; the time of a date-time is dropped."""
    return converters.to_date(msgspec.json.decode(raw))


def json(raw: Raw) -> Any:
    """Return an object or a list as it is."""
    return raw if is_present(raw) else None


def is_present(raw: Raw) -> bool:
    """Return whether a value is neither null nor empty text."""
    return bytes(raw) not in _EMPTY


def canonical(value: Any) -> Any:
    """Return one spelling of a value of a record, for comparing and hashing."""
    if isinstance(value, Raw):
        return msgspec.json.decode(value)
    return format(value.normalize(), "f") if isinstance(value, Decimal) else value


def canonical_timestamp(value: str | datetime | None) -> str | None:
    """Return one spelling of a timestamp, with or without microseconds."""
    if value is None:
        return None
    return to_rfc3339(parse(value) if isinstance(value, str) else value)


def _exact(data: bytes) -> Any:
    """Return a value in which a number is the text that spells it, so that no digit is lost."""
    return data.decode() if data[:1] in b"-0123456789" else msgspec.json.decode(data)


def _required(value: Any) -> Any:
    if value is None:
        raise UnreadableError("is missing")
    return value
