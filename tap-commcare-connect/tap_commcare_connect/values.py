"""How single values of Connect become values of a record. Pure.

Each comes as the bytes of its JSON, and goes on as such where nothing has to change. What is
missing or empty is None.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from dimagi_api.errors import ShapeError
from dimagi_api.timestamps import normalise, parse, spell

Raw = msgspec.Raw
Convert = Callable[[Raw], Any]
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
    if data.isdigit() and len(data) <= _DIGITS_OF_64_BITS:
        return raw
    if data in _NOTHING:
        return None
    value = msgspec.json.decode(data)
    if type(value) is int:
        return value
    try:
        number = Decimal(value if type(value) is str else data.decode())
        whole = int(number)
    except (InvalidOperation, ValueError, OverflowError):
        raise ShapeError("is no whole number") from None
    if type(value) is bool or number != whole:
        raise ShapeError("is no whole number")
    return whole


def key_integer(raw: Raw) -> Any:
    """Return a whole number that must be there."""
    return _required(integer(raw))


def amount(raw: Raw) -> Decimal | None:
    """Return a decimal number, exact as written; Connect writes it as text."""
    data = bytes(raw)
    if data in _NOTHING:
        return None
    try:
        number = Decimal(data.decode().strip('"'))
    except InvalidOperation:
        raise ShapeError("is no number") from None
    if not number.is_finite():
        raise ShapeError("is no number")
    return number


def flag(raw: Raw) -> Any:
    """Return a yes/no, also from its spelling as text."""
    data = bytes(raw)
    if data in _NOTHING:
        return None
    try:
        return {"true": True, "false": False}[data.decode().strip('"').lower()]
    except KeyError:
        raise ShapeError("is neither true nor false") from None


def moment(raw: Raw) -> str | None:
    """Return a moment as RFC 3339 in UTC."""
    data = bytes(raw)
    if data in _NOTHING:
        return None
    found = normalise(msgspec.json.decode(data))
    if found is None:
        raise ShapeError("is no date-time")
    return found


def day(raw: Raw) -> str | None:
    """Return a date; the time of a date-time is cut off."""
    data = bytes(raw)
    if data in _NOTHING:
        return None
    value = msgspec.json.decode(data)
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise ShapeError("is no date") from None


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
        raise ShapeError("is missing")
    return value
