"""What the value of a setting must be, by the ``kind`` that meltano.yml gives it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Kind:
    """What a value must be, in words, and whether one is."""

    words: str
    fits: Callable[[Any], bool]

    @classmethod
    def of(cls, name: str, options: tuple[str, ...] = ()) -> Kind | None:
        """Return a kind of Meltano by its name; nothing for one that takes anything."""
        if name == "options" and options:
            return cls(f"one of: {', '.join(options)}", lambda value: value in options)
        return KINDS.get(name)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_moment(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


_TEXT = Kind("text", _is_text)
KINDS: Mapping[str, Kind] = {
    "string": _TEXT,
    "file": _TEXT,
    "email": _TEXT,
    "date_iso8601": Kind("a date, as in 2026-01-31 or 2026-01-31T08:00:00Z", _is_moment),
    "integer": Kind("a whole number", _is_integer),
    "boolean": Kind("true or false", lambda value: isinstance(value, bool)),
    "array": Kind('a list, as in ["a", "b"]', lambda value: isinstance(value, list)),
    "object": Kind('an object, as in {"a": 1}', lambda value: isinstance(value, dict)),
}


def as_typed(kind: Kind | None, value: Any) -> Any:
    """Return a value that fits: a number or a truth value that somebody typed may be text."""
    is_scalar = isinstance(value, int | float)
    if kind is _TEXT and is_scalar:
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value
