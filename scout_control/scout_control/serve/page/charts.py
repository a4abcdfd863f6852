"""Pictures of runs as SVG: their time by phase, and how many rows the tables had. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_control.api.progress_bars import duration
from scout_control.rules.wording import counted
from scout_control.serve.page import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_control.api.views import Run

WIDTH, HEIGHT = 600, 120
MOST_RUNS, FEWEST_PLACES = 40, 12
"""Of a few runs, the columns are not as wide as the picture."""
MOST_STREAMS = 12
FAILED = frozenset({"failed", "cancelled"})
PHASES = ("prepare", "load", "transform", "finish")
WORK = "work"
"""Of a run whose phases are not known."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A rectangle of a picture."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    """The class that gives it its colour."""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A picture, the oldest run first; the same facts are in the table of runs."""

    title: str
    summary: str
    """What a screen reader says in place of the picture."""
    shapes: tuple[Shape, ...]
    most: str
    """What its full height means."""
    ends: tuple[str, str]
    """The beginning and the end of its time."""
    width: int = WIDTH
    height: int = HEIGHT
    line: float | None = None
    """Where a horizontal line is, if there is one."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of a run's time that a phase took."""

    name: str
    seconds: float
    share: float


def shares(run: Run) -> tuple[Share, ...]:
    """Return how the time of a run is divided between its phases; none if that is not known."""
    total = sum(run.phase_seconds.values())
    return tuple(
        Share(name=name, seconds=seconds, share=seconds / total)
        for name, seconds in run.phase_seconds.items()
        if total
    )


def share_chart(run: Run) -> tuple[Shape, ...]:
    """Return one bar with the shares of a run's phases."""
    shapes, begin = [], 0.0
    for each in shares(run):
        label = f"{each.name}: {formats.percent(each.share)} ({duration(each.seconds)})"
        width = round(each.share * WIDTH, 2)
        shapes.append(
            Shape(x=round(begin, 2), y=0, width=width, height=1, kind=each.name, label=label)
        )
        begin += width
    return tuple(shapes)


def durations(runs: Sequence[Run]) -> Chart | None:
    """Return how long the latest runs took, given newest first; None without two that ended."""
    ended = [each for each in _ended(runs) if each.seconds is not None]
    if len(ended) < 2:
        return None
    values = [each.seconds or 0.0 for each in ended]
    most = max(values) or 1
    shapes: list[Shape] = []
    for place, run in enumerate(ended):
        shapes += _stacked(run, place * _step(ended), _step(ended) * 0.8, most)
    return Chart(
        title="How long runs took",
        summary=(
            f"{counted(len(ended), 'run')}: from {duration(min(values))} to "
            f"{duration(max(values))}, the latest {duration(values[-1])}."
        ),
        shapes=tuple(shapes),
        most=duration(max(values)),
        ends=formats.span(ended[0].started_at, ended[-1].started_at),
    )


def rows(runs: Sequence[Run]) -> tuple[Chart, ...]:
    """Return the rows that the table of each stream had after the latest runs, largest first."""
    ended = _ended(runs)
    series: dict[str, list[tuple[Run, int]]] = {}
    for run in ended:
        for stream, count in _rows_of(run).items():
            series.setdefault(stream, []).append((run, count))
    told = sorted(series.items(), key=lambda each: (-each[1][-1][1], each[0]))
    return tuple(_rows_chart(name, found) for name, found in told if len(found) > 1)[:MOST_STREAMS]


def _rows_of(run: Run) -> Mapping[str, int]:
    sources = run.result.get("sources") or {}
    counts = {name: each.get("rows_in_table") for name, each in sources.items()}
    return {name: count for name, count in counts.items() if isinstance(count, int)}


def _rows_chart(stream: str, found: Sequence[tuple[Run, int]]) -> Chart:
    counts = [count for _, count in found]
    most, step = max(counts) or 1, _step(found)
    shapes = tuple(
        Shape(
            x=round(place * step, 2),
            width=round(step * 0.8, 2),
            kind=_kind(run),
            label=f"{formats.moment(run.started_at)}: {counted(count, 'row')} ({run.status})",
            **_height(count, most),
        )
        for place, (run, count) in enumerate(found)
    )
    change = counts[-1] - counts[0]
    told = f"{change:+,} since {formats.day(found[0][0].started_at)}" if change else "unchanged"
    return Chart(
        title=stream,
        summary=f"{counted(counts[-1], 'row')}, {told}.",
        shapes=shapes,
        most=f"{max(counts):,}",
        ends=formats.span(found[0][0].started_at, found[-1][0].started_at),
    )


def _stacked(run: Run, x: float, width: float, most: float) -> list[Shape]:
    """Return the column of a run, with the first phase at the bottom."""
    parts = dict(run.phase_seconds) or {WORK: run.seconds or 0.0}
    shapes, top = [], float(HEIGHT)
    for name, seconds in parts.items():
        height = HEIGHT * seconds / most
        top -= height
        label = f"{formats.moment(run.started_at)}: {name} {duration(seconds)} of "
        label += f"{duration(run.seconds or 0.0)} ({run.status})"
        kind = "failed" if run.status in FAILED else name
        shapes.append(
            Shape(
                x=round(x, 2),
                y=round(max(top, 0), 2),
                width=round(width, 2),
                height=round(height, 2),
                kind=kind,
                label=label,
            )
        )
    return shapes


def _ended(runs: Sequence[Run]) -> list[Run]:
    return [each for each in reversed(runs[:MOST_RUNS]) if each.completed_at is not None]


def _step(found: Sequence[object]) -> float:
    return WIDTH / max(len(found), FEWEST_PLACES)


def _kind(run: Run) -> str:
    return "failed" if run.status in FAILED else "load"


def _height(value: float, most: float) -> dict[str, float]:
    height = max(HEIGHT * value / most, 1)  # a value of zero is still seen
    return {"y": round(HEIGHT - height, 2), "height": round(height, 2)}
