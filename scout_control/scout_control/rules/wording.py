"""Counts of things in sentences."""

from __future__ import annotations


def counted(number: int, thing: str, things: str | None = None) -> str:
    """Return a number with its noun: ``1 row``, ``1,234 rows``, ``2 queries``.

    Args:
        number: How many.
        thing: The noun for one.
        things: The noun for others, where it is not ``thing`` with an s.
    """
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"
