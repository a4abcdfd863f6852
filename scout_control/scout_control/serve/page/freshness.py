"""How old the data was over time, and where runs were missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from scout_control.rules.health import OVERDUE_AFTER
from scout_control.serve.page import formats
from scout_control.serve.page.charts import FAILED, HEIGHT, WIDTH, Chart, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scout_control.api.views import Run

REFRESHED = frozenset({"completed", "partial"})
TOLERANCE = 1.25
"""How much longer than its interval the time between two runs may be: runs take time themselves."""
MARK, MARK_HEIGHT = 4, 8
SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A time without a run that completed, although one was due."""

    begin: datetime
    end: datetime
    missed: int
    """How many runs there should have been."""
    is_open: bool
    """Whether it lasts until now."""

    @property
    def length(self) -> str:
        """How long it is, for people."""
        return formats.period((self.end - self.begin).total_seconds())


def gaps(
    runs: Sequence[Run], interval_hours: int, now: datetime, *, is_paused: bool
) -> tuple[Gap, ...]:
    """Return where runs are missing, the latest first.

    Args:
        runs: The latest runs, the newest first.
        interval_hours: How often there should be one.
        now: The end of the time that is looked at.
        is_paused: Whether the schedule is paused: then none is missing now.
    """
    interval = timedelta(hours=interval_hours)
    longest = interval * TOLERANCE + OVERDUE_AFTER
    ends = _refreshed(runs)
    bounds = [*pairwise(ends)]
    if ends and not is_paused:
        bounds.append((ends[-1], now))
    found = [
        Gap(
            begin=begin,
            end=end,
            missed=max(1, round((end - begin) / interval) - 1),
            is_open=end is now,
        )
        for begin, end in bounds
        if end - begin > longest
    ]
    return tuple(reversed(found))


def chart(runs: Sequence[Run], interval_hours: int | None, now: datetime) -> Chart | None:
    """Return how old the data was: it grows until the next run. None before two runs ended."""
    ended = [each for each in runs if each.completed_at is not None]
    ends = _refreshed(runs)
    if len(ended) < 2 or not ends:
        return None
    span = max(now - ends[0], SHORTEST)
    interval = timedelta(hours=interval_hours) if interval_hours else None
    bounds = [*pairwise([*ends, now])]
    oldest = max(end - begin for begin, end in bounds)
    most = max(oldest, interval or SHORTEST)

    def x(moment: datetime) -> float:
        return round(WIDTH * ((moment - ends[0]) / span), 2)

    shapes = [_age(x(begin), x(end), (end - begin) / most, end - begin) for begin, end in bounds]
    shapes += [
        _mark(run, x(run.completed_at))
        for run in reversed(ended)
        if run.completed_at and run.completed_at >= ends[0]
    ]
    told = f"The data is {formats.period((now - ends[-1]).total_seconds())} old; "
    told += f"at most it was {formats.period(oldest.total_seconds())} old."
    return Chart(
        title="How old the data was",
        summary=told,
        shapes=tuple(shapes),
        most=formats.period(most.total_seconds()),
        ends=(formats.span(ends[0], now)[0], "now"),
        line=round(HEIGHT - HEIGHT * (interval / most), 2) if interval else None,
    )


def _refreshed(runs: Sequence[Run]) -> list[datetime]:
    """Return when runs brought the data up to date, the earliest first."""
    return sorted(
        each.completed_at
        for each in runs
        if each.completed_at is not None and each.status in REFRESHED
    )


def _age(begin: float, end: float, share: float, length: timedelta) -> Shape:
    height = round(HEIGHT * share, 2)
    return Shape(
        x=begin,
        y=round(HEIGHT - height, 2),
        width=round(max(end - begin, 1), 2),
        height=height,
        kind="age",
        label=f"{formats.period(length.total_seconds())} without a run that completed",
    )


def _mark(run: Run, x: float) -> Shape:
    kind = "failed" if run.status in FAILED else "mark"
    return Shape(
        x=round(min(max(x - MARK / 2, 0), WIDTH - MARK), 2),
        y=HEIGHT - MARK_HEIGHT,
        width=MARK,
        height=MARK_HEIGHT,
        kind=kind,
        label=f"{formats.moment(run.completed_at)}: {run.status}",
    )
