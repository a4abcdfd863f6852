"""Keeps answers small enough for an agent; what is left out is said in the answer. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from scout_control.rules.json_values import to_json_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel

Item = TypeVar("Item", bound="BaseModel")

MAX_VALUE = 2_000
"""Characters of one value of a row; an agent asks for a part of a longer one by SQL."""
MAX_BYTES = 100_000
"""Of the rows of one answer as JSON; about 30,000 tokens of a language model."""
MAX_DESCRIPTION = 500
"""Characters of the description of a table or column in a list."""


class Rows(NamedTuple):
    """Rows as JSON values, and what was left out of them."""

    rows: list[list[Any]]
    cut_values: int
    truncated_by: Literal["bytes"] | None


def bounded_rows(
    rows: Iterable[Sequence[Any]], *, max_bytes: int = MAX_BYTES, max_value: int = MAX_VALUE
) -> Rows:
    """Return rows with long values cut, as many as fit in the bytes."""
    kept: list[list[Any]] = []
    size = cut_values = 0
    for row in rows:
        values = [cut_value(to_json_value(each), max_value) for each in row]
        size += size_of([value for value, _ in values])
        if size > max_bytes:
            return Rows(kept, cut_values, "bytes")
        kept.append([value for value, _ in values])
        cut_values += sum(is_cut for _, is_cut in values)
    return Rows(kept, cut_values, None)


def fitting(items: Sequence[Item], *, max_bytes: int = MAX_BYTES) -> list[Item]:
    """Return the first items of a list, as many as fit in the bytes, and at least one."""
    kept: list[Item] = []
    size = 0
    for item in items:
        size += len(item.model_dump_json())
        if kept and size > max_bytes:
            break
        kept.append(item)
    return kept


def cut_value(value: Any, limit: int = MAX_VALUE) -> tuple[Any, bool]:
    """Return a JSON value and whether it was cut: a long object becomes the beginning of its text.

    The mark says how long it was.
    """
    if value is None or isinstance(value, bool | int | float):
        return value, False
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (value, False) if len(text) <= limit else (cut_text(text, limit), True)


def cut_text(text: str, limit: int) -> str:
    """Return a text of at most this length, before a mark that says how long it was."""
    return text if len(text) <= limit else f"{text[:limit]}... [cut: {len(text):,} characters]"


def short(description: str | None) -> str | None:
    """Return a description as lists have it."""
    return description and cut_text(description, MAX_DESCRIPTION)


def size_of(value: Any) -> int:
    """Return the bytes of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
