"""How single values of HQ become values of a record. Pure.

What is missing or empty is None; what a person entered is text and stays text.
"""

from __future__ import annotations

from typing import Any

import msgspec
from dimagi_api.timestamps import normalise

NULL = msgspec.Raw(b"null")
EMPTY_OBJECT = msgspec.Raw(b"{}")
OBJECT, ARRAY = ord("{"), ord("[")


def text(value: Any) -> str | None:
    """Return text; a number or a yes/no is spelled as in JSON."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    return msgspec.json.encode(value).decode()


def moment(value: Any) -> str | None:
    """Return a timestamp as RFC 3339 in UTC."""
    return normalise(value)


def flag(value: Any) -> bool | None:
    """Return a yes/no, also from its spelling as text."""
    if type(value) is bool or value is None:
        return value
    return {"true": True, "false": False}.get(str(value).lower())


def json_object(value: msgspec.Raw) -> msgspec.Raw | None:
    """Return an object as it came; anything else is None."""
    return value if memoryview(value)[0] == OBJECT else None


def json_array(value: msgspec.Raw) -> msgspec.Raw | None:
    """Return a list as it came; anything else is None."""
    return value if memoryview(value)[0] == ARRAY else None


def integer(value: Any) -> int | None:
    """Return a whole number, also from its spelling as text."""
    if type(value) is int:
        return value
    return int(value) if type(value) is str and value.isdecimal() else None
