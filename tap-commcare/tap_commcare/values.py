"""How single values of HQ become values of a record.

What is missing or empty is None; what a person entered is text and stays text. A value that cannot
be read as its column's type is None, too, and counted for the end of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from tap_common import converters
from tap_common.omissions import OMISSIONS
from tap_common.timestamps import normalise

NULL = msgspec.Raw(b"null")
EMPTY_OBJECT = msgspec.Raw(b"{}")
OBJECT, ARRAY = ord("{"), ord("[")

At = tuple[str, str]
"""Stream and column."""
T = TypeVar("T")


def text(value: Any, at: At | None = None) -> str | None:
    """Return text; a number or a boolean is written as in JSON."""
    del at  # everything can be text
    return converters.to_text(value)


def moment(value: Any, at: At | None = None) -> str | None:
    """Return a timestamp as RFC 3339 in UTC."""
    found = normalise(value)
    if found is None and value is not None:
        unreadable(value, at)
    return found


def flag(value: Any, at: At | None = None) -> bool | None:
    """Return a boolean, also from its spellings as text."""
    if type(value) is bool or value is None:
        return value
    return _converted(converters.to_boolean, value, at)


def integer(value: Any, at: At | None = None) -> int | None:
    """Return a whole number, also from its spelling as text."""
    return value if type(value) is int else _converted(converters.to_integer, value, at)


def number(value: Any, at: At | None = None) -> int | float | Decimal | None:
    """Return a number with decimals; one that is written as text is exact."""
    if type(value) in {int, float}:
        return value  # type: ignore[no-any-return]  # as the line before says
    return _converted(converters.to_number, value, at)


def json_object(value: msgspec.Raw, at: At | None = None) -> msgspec.Raw | None:
    """Return an object as it came."""
    if memoryview(value)[0] == OBJECT:
        return value
    unreadable(msgspec.json.decode(value), at)
    return None


def json_array(value: msgspec.Raw, at: At | None = None) -> msgspec.Raw | None:
    """Return a list as it came."""
    if memoryview(value)[0] == ARRAY:
        return value
    unreadable(msgspec.json.decode(value), at)
    return None


def _converted(convert: Callable[[Any], T | None], value: Any, at: At | None) -> T | None:
    try:
        return convert(value)
    except converters.UnreadableError:
        unreadable(value, at)
        return None


def unreadable(value: Any, at: At | None) -> None:
    """Count a value that cannot be read; what is missing or empty is no such value."""
    if at is not None and value is not None and value != "":
        OMISSIONS.value(*at)
