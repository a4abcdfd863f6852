"""Converts decoded JSON to values of records; an unreadable value becomes null and is counted.

The conversions of ``converters`` for code that makes records column by column. Each takes the
column under which an unreadable value is counted; without one it is not counted. Objects and lists,
which nothing looks into, come and go as the bytes of their JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from tap_common import converters
from tap_common.omissions import OMISSIONS, Property, UnreadableError
from tap_common.timestamps import normalise

OBJECT, ARRAY = ord("{"), ord("[")

T = TypeVar("T")

text = converters.to_text


def timestamp(value: Any, column: Property | None = None) -> str | None:
    """Return a timestamp as RFC 3339 in UTC."""
    found = normalise(value)
    if found is None and value is not None:
        _count_unreadable(value, column)
    return found


def boolean(value: Any, column: Property | None = None) -> bool | None:
    """Return a boolean, which may be given as text."""
    if type(value) is bool or value is None:
        return value
    return _convert(converters.to_boolean, value, column)


def integer(value: Any, column: Property | None = None) -> int | None:
    """Return a whole number, which may be given as text."""
    return value if type(value) is int else _convert(converters.to_integer, value, column)


def number(value: Any, column: Property | None = None) -> int | float | Decimal | None:
    """Return a JSON number unchanged, and a number given as text with all its digits."""
    if type(value) is int or type(value) is float:
        return value
    return _convert(converters.to_number, value, column)


def json_object(value: msgspec.Raw, column: Property | None = None) -> msgspec.Raw | None:
    """Return an object unchanged."""
    if memoryview(value)[0] == OBJECT:
        return value
    _count_unreadable(msgspec.json.decode(value), column)
    return None


def json_array(value: msgspec.Raw, column: Property | None = None) -> msgspec.Raw | None:
    """Return a list unchanged."""
    if memoryview(value)[0] == ARRAY:
        return value
    _count_unreadable(msgspec.json.decode(value), column)
    return None


def _convert(convert: Callable[[Any], T | None], value: Any, column: Property | None) -> T | None:
    if column is not None:
        return OMISSIONS.read(convert, value, column)
    try:
        return convert(value)
    except UnreadableError:
        return None


def _count_unreadable(value: Any, column: Property | None) -> None:
    if column is not None and value is not None and value != "":
        OMISSIONS.unreadable(*column)
