"""The log of a run, as a page shows it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scout_control.api.views import LogLine

MOST_LINES = 400
BEFORE_FAILURE = 50
FAILING = frozenset({"error", "critical"})


def first_failing(lines: Sequence[LogLine]) -> int | None:
    """Return the place of the first line of an error; None if there is none."""
    return next((place for place, each in enumerate(lines) if each.level in FAILING), None)


def shortened(lines: Sequence[LogLine], first: int | None) -> Sequence[tuple[int, LogLine]]:
    """Return the lines to show with their places: around the first error, else the last ones."""
    begin = len(lines) - MOST_LINES if first is None else first - BEFORE_FAILURE
    begin = max(0, min(begin, len(lines) - MOST_LINES))
    return [(place, lines[place]) for place in range(begin, min(len(lines), begin + MOST_LINES))]
