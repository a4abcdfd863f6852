"""Counts of things and names of signals in sentences."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def counted(number: int, thing: str, things: str | None = None) -> str:
    """Return a number with its noun: ``1 row``, ``1,234 rows``, ``2 queries``.

    Args:
        number: How many.
        thing: The noun for one.
        things: The noun for others, where it is not ``thing`` with an s.
    """
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names in one line, of many only the first: ``a, b, c, d, e and 34 more``."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def interruption(signals: Sequence[int]) -> str | None:
    """Return which of the signals that a process received interrupted it; None without any."""
    if not signals:
        return None
    name = "Ctrl-C" if signals[0] == signal.SIGINT else signal.Signals(signals[0]).name
    return f"interrupted by {name}"
