"""Loads JSON values as objects of Python, within bounds and exactly; others are left as text."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from psycopg.adapt import Loader

if TYPE_CHECKING:
    from psycopg.abc import Buffer

MOST_CONTAINERS = 20_000
"""Arrays and objects in one value: each takes 100 bytes; 8 MB of text can have millions."""
MOST_LEVELS = 100
"""Of nesting: what writes the value afterwards has a stack, too."""
NUL = rb"\u0000"


class BoundedJsonLoader(Loader):
    """Loads ``json`` and ``jsonb``."""

    def load(self, data: Buffer) -> Any:
        """Return the value.

        Raises:
            ValueError: It has too many arrays and objects, or Python has no such value: a number
                that a float would round, a name that occurs twice, half a character.
            RecursionError: It is nested too deeply.
        """
        raw = bytes(data)
        if raw.count(b"[") + raw.count(b"{") > MOST_CONTAINERS:
            raise ValueError("too many arrays and objects")
        value = loads(raw)
        if has_more_levels(value, MOST_LEVELS):
            raise RecursionError
        return value


def loads(raw: bytes) -> Any:
    """Return a JSON value.

    Raises:
        ValueError: Python has no value that is exactly this one.
    """
    if NUL in raw:  # no text of Postgres has it, and what writes texts leaves it out
        raise ValueError("NUL")
    value = json.loads(
        raw, parse_float=exact_float, parse_int=exact_int, object_pairs_hook=exact_object
    )
    if b"\\u" in raw:  # half of a pair of surrogates cannot be encoded
        json.dumps(value, ensure_ascii=False).encode()
    return value


def exact_float(text: str) -> float:
    """Return a number as a float that stands for the same number.

    Raises:
        ValueError: A float would round it.
    """
    value = float(text)
    if Decimal(repr(value)) != Decimal(text):  # also where it is infinite
        raise ValueError("rounded")
    return value


def exact_int(text: str) -> int:
    """Return an integer.

    Raises:
        ValueError: It is minus zero, or has thousands of digits.
    """
    if text == "-0":
        raise ValueError("rounded")
    return int(text)


def exact_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object.

    Raises:
        ValueError: A name occurs twice.
    """
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("repeated name")
    return made


def has_more_levels(value: Any, levels: int) -> bool:
    """Return whether arrays and objects are nested more than this many times."""
    level = [value]
    for _ in range(levels + 1):
        level = [each for each in level if isinstance(each, dict | list)]
        parts = (each.values() if isinstance(each, dict) else each for each in level)
        level = list(chain.from_iterable(parts))
    return any(isinstance(each, dict | list) for each in level)
