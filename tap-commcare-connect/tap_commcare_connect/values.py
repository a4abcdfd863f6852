"""How single values of Connect become values of a record. Pure.

Each comes as the bytes of its JSON, and goes on as such where nothing has to change. What is
missing or empty is None; what cannot be read raises ``UnreadableError``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from tap_common import converters
from tap_common.timestamps import parse, spell

Raw = msgspec.Raw
Convert = Callable[[Raw], Any]
Row = Mapping[str, Raw]
"""As the API has it, value by value."""
NULL = Raw(b"null")
_NOTHING = frozenset({b"null", b'""'})
_DIGITS_OF_64_BITS = 18


def text(raw: Raw) -> Any:
    """Return text; a number or a yes/no is spelled as in JSON."""
    data = bytes(raw)
    if data in _NOTHING:
        return None
    return raw if data[:1] == b'"' else data.decode()


def key_text(raw: Raw) -> Any:
    """Return text that must be there."""
    return _required(text(raw))


def integer(raw: Raw) -> Any:
    """Return a whole number, also from its spelling as text."""
    data = bytes(raw)
    is_plain = data.isdigit() and len(data) <= _DIGITS_OF_64_BITS
    return raw if is_plain else converters.to_integer(_written(data))


def key_integer(raw: Raw) -> Any:
    """Return a whole number that must be there."""
    return _required(integer(raw))


def amount(raw: Raw) -> Decimal | None:
    """Return a decimal number, exact as written; Connect writes it as text."""
    return converters.to_number(_written(bytes(raw)))


def flag(raw: Raw) -> Any:
    """Return a boolean, also from its spellings as text."""
    return converters.to_boolean(msgspec.json.decode(raw))


def moment(raw: Raw) -> str | None:
    """Return a moment as RFC 3339 in UTC."""
    return converters.to_timestamp(msgspec.json.decode(raw))


def day(raw: Raw) -> str | None:
    """Return a date; the time of a date-time is cut off."""
    return converters.to_date(msgspec.json.decode(raw))


def _written(data: bytes) -> Any:
    """Return a value in which a number is the text that it was written as: no digit is lost."""
    return data.decode() if data[:1] in b"-0123456789" else msgspec.json.decode(data)


def anything(raw: Raw) -> Any:
    """Return an object or a list as it came."""
    return raw if is_there(raw) else None


def is_there(raw: Raw) -> bool:
    """Tell whether there is a value."""
    return bytes(raw) not in _NOTHING


def same(value: Any) -> Any:
    """Return what a value of a record says, however it is spelled."""
    if isinstance(value, Raw):
        return msgspec.json.decode(value)
    return format(value.normalize(), "f") if isinstance(value, Decimal) else value


def same_moment(value: str | datetime | None) -> str | None:
    """Return the one spelling of a moment, with or without microseconds."""
    return None if value is None else spell(parse(value) if isinstance(value, str) else value)


def _required(value: Any) -> Any:
    if value is None:
        raise converters.UnreadableError("is missing")
    return value
