"""Counts of things in sentences."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return a number with its noun: ``1 row``, ``2 rows``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
