"""Loads JSON values as objects of Python within bounds, which their text does not have."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from psycopg.types.json import JsonLoader

if TYPE_CHECKING:
    from psycopg.abc import Buffer

MOST_CONTAINERS = 20_000
"""Arrays and objects in one value: each takes 100 bytes; 8 MB of text can have millions."""
MOST_LEVELS = 100
"""Of nesting: what writes the value afterwards has a stack, too."""


class BoundedJsonLoader(JsonLoader):
    """Loads ``json`` and ``jsonb``."""

    def load(self, data: Buffer) -> Any:
        """Return the value.

        Raises:
            ValueError: It has too many arrays and objects, or an integer with too many digits.
            RecursionError: It is nested too deeply.
        """
        raw = bytes(data)
        if raw.count(b"[") + raw.count(b"{") > MOST_CONTAINERS:
            raise ValueError("too many arrays and objects")
        value = super().load(raw)
        if has_more_levels(value, MOST_LEVELS):
            raise RecursionError
        return value


def has_more_levels(value: Any, levels: int) -> bool:
    """Return whether arrays and objects are nested more than this many times."""
    level = [value]
    for _ in range(levels + 1):
        level = [each for each in level if isinstance(each, dict | list)]
        parts = (each.values() if isinstance(each, dict) else each for each in level)
        level = list(chain.from_iterable(parts))
    return any(isinstance(each, dict | list) for each in level)
