"""Pictures of runs as SVG: how long they took, and how many rows the tables had. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_control.api.progress_bars import duration
from scout_control.serve.page import formats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scout_control.api.views import Run

WIDTH, HEIGHT = 600, 120
MOST_RUNS, FEWEST_PLACES = 40, 12
"""Of a few runs, the columns are not as wide as the picture."""
FAILED = frozenset({"failed", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a picture."""

    x: float
    y: float
    width: float
    height: float
    label: str
    is_failed: bool


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Columns, the oldest run first; the same facts are in the table of runs."""

    title: str
    summary: str
    """What a screen reader says in place of the picture."""
    columns: tuple[Column, ...]
    most: str
    width: int = WIDTH
    height: int = HEIGHT


def of_runs(runs: Sequence[Run]) -> tuple[Chart, ...]:
    """Return the pictures of the latest runs, which are given newest first."""
    ended = [each for each in reversed(runs[:MOST_RUNS]) if each.completed_at is not None]
    return tuple(
        chart
        for chart in (
            _chart("Duration of runs", ended, lambda run: run.seconds, duration),
            _chart("Rows in the tables", ended, lambda run: run.rows_in_tables, formats.number),
        )
        if chart is not None
    )


def _chart(
    title: str,
    runs: Sequence[Run],
    value_of: Callable[[Run], float | None],
    text: Callable[[float], str],
) -> Chart | None:
    found = [(run, value) for run in runs if (value := value_of(run)) is not None]
    if len(found) < 2:
        return None
    values = [value for _, value in found]
    most = max(values) or 1  # of the picture
    step = WIDTH / max(len(found), FEWEST_PLACES)
    columns = tuple(
        Column(
            x=round(place * step, 2),
            y=round(HEIGHT - HEIGHT * value / most, 2),
            width=round(step * 0.8, 2),
            height=round(max(HEIGHT * value / most, 1), 2),
            label=f"{formats.moment(run.started_at)}: {text(value)} ({run.status})",
            is_failed=run.status in FAILED,
        )
        for place, (run, value) in enumerate(found)
    )
    summary = (
        f"{title}, {len(found)} runs: from {text(min(values))} to {text(max(values))}, "
        f"the latest {text(values[-1])}."
    )
    return Chart(title=title, summary=summary, columns=columns, most=text(max(values)))
