"""The value types of settings, by the ``kind`` in meltano.yml."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class SettingKind:
    """A value type: its description and its check."""

    description: str
    fits: Callable[[Any], bool]

    @classmethod
    def of(cls, name: str, options: tuple[str, ...] = ()) -> SettingKind | None:
        """Return a kind of Meltano by its name; None for a kind that accepts any value."""
        if name == "options" and options:
            return cls(f"one of: {', '.join(options)}", lambda value: value in options)
        return KINDS.get(name)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_timestamp(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


_TEXT = SettingKind("text", _is_text)
KINDS: Mapping[str, SettingKind] = {
    "string": _TEXT,
    "file": _TEXT,
    "email": _TEXT,
    "date_iso8601": SettingKind("a date, as in 2026-01-31 or 2026-01-31T08:00:00Z", _is_timestamp),
    "integer": SettingKind("a whole number", _is_integer),
    "boolean": SettingKind("true or false", lambda value: isinstance(value, bool)),
    "array": SettingKind('a list, as in ["a", "b"]', lambda value: isinstance(value, list)),
    "object": SettingKind('an object, as in {"a": 1}', lambda value: isinstance(value, dict)),
}


def coerce(kind: SettingKind | None, value: Any) -> Any:
    """Return a number or boolean as text if the setting is text: YAML and JSON guess types."""
    is_scalar = isinstance(value, int | float)
    if kind is _TEXT and is_scalar:
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value
