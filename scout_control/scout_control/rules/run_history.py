"""A small picture of the past runs of a dataset: one character each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEIGHTS = "".join(map(chr, range(0x2581, 0x2589)))
"""Blocks of one to eight eighths: how long a run took beside the longest one of the picture."""
ASCII_HEIGHTS = ".:|"
# By status, where the run did not simply succeed: for terminals with Unicode, and without.
MARKS = {
    "failed": ("\N{BALLOT X}", "X"),
    "partial": ("!", "!"),
    "cancelled": ("\N{MULTIPLICATION SIGN}", "c"),
    "paused": ("\N{DOUBLE VERTICAL LINE}", "p"),
    "running": ("\N{BLACK RIGHT-POINTING SMALL TRIANGLE}", ">"),
    "queued": ("\N{MIDDLE DOT}", "q"),
}
LEGEND = tuple(
    f"{heights[0]} to {heights[-1]} completed, by duration; "
    + ", ".join(f"{mark[is_ascii]} {status}" for status, mark in MARKS.items())
    for is_ascii, heights in ((False, HEIGHTS), (True, ASCII_HEIGHTS))
)


def picture(history: Sequence[Mapping[str, Any]], *, is_ascii: bool) -> str:
    """Return one character per run, the oldest first.

    Args:
        history: Runs with their ``status`` and ``seconds``.
        is_ascii: Whether only ASCII may be used.
    """
    longest = max((run["seconds"] or 0.0 for run in history), default=0.0)
    heights = ASCII_HEIGHTS if is_ascii else HEIGHTS
    return "".join(_character(run, longest, heights, is_ascii=is_ascii) for run in history)


def _character(run: Mapping[str, Any], longest: float, heights: str, *, is_ascii: bool) -> str:
    if run["status"] in MARKS:
        return MARKS[run["status"]][is_ascii]
    share = (run["seconds"] or 0.0) / longest if longest else 0.0
    return heights[min(int(share * len(heights)), len(heights) - 1)]
