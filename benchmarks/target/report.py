"""Tables of the results in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.target.machine import Run
from benchmarks.target.peers import MELTANOLABS, OURS, PEERS

RAW = "raw COPY"
Measured = Mapping[str, Mapping[str, Sequence[Run]]]  # task, tool, runs

LABELS = {peer.name: peer.label for peer in PEERS}
COLUMNS = (
    *("task", "tool", "runs", "wall s", "records/s", "tool cpu s", "server cpu s", "peak MB"),
    *("x raw COPY", "faster than MeltanoLabs", "start-up amortised"),
)
HEAD = f"| {' | '.join(COLUMNS)} |\n|---|---|{'--:|' * (len(COLUMNS) - 2)}"
START = "1,000 cases"
UPSERT = "20% changed"


def wall(runs: Sequence[Run] | None) -> float | None:
    """Return the median wall time."""
    return statistics.median(run.wall for run in runs) if runs else None


def ratio(above: float | None, below: float | None, digits: int = 1) -> str:
    """Format a ratio; a dash if a part is missing."""
    return f"{above / below:.{digits}f}" if above and below and min(above, below) > 0 else "-"


def rows(task: str, count: int, found: Measured) -> list[str]:
    """Return the lines of one task."""
    return [_row(task, count, tool, found) for tool in found[task]]


def _row(task: str, count: int, tool: str, found: Measured) -> str:
    runs = found[task][tool]
    taken = statistics.median(run.wall for run in runs)
    is_raw = tool == RAW
    steady = None if is_raw else _steady(task, tool, found)
    cells = [
        task,
        LABELS.get(tool, tool),
        str(len(runs)),
        f"{taken:.2f}",
        f"{count / taken:,.0f}",
        "-" if is_raw else f"{statistics.median(run.tool_cpu for run in runs):.2f}",
        "-" if is_raw else f"{statistics.median(run.server_cpu for run in runs):.2f}",
        "-" if is_raw else f"{max(run.megabytes for run in runs):.0f}",
        ratio(taken, wall(found[task].get(RAW)), 2),
        ratio(wall(found[task].get(MELTANOLABS.name)), taken),
        ratio(_steady(task, MELTANOLABS.name, found), steady),
    ]
    return f"| {' | '.join(cells)} |"


def _steady(task: str, tool: str, found: Measured) -> float | None:
    """Return the wall time minus the start-up time."""
    whole, start = (wall(found.get(name, {}).get(tool)) for name in (task, START))
    return whole - start if whole and start and task != START else None


def goals(found: Measured) -> list[str]:
    """Return the table of the measured goals."""
    lines = ["| goal | must | aim | measured |", "|---|--:|--:|--:|"]
    for kind, must, aim in (("cases 200k", 12, 20), ("forms 50k", 8, 12), ("narrow 200k", 12, 25)):
        lines.append(_times(kind, must, aim, found))
    for kind, must, aim in (("cases 200k", 10, 15), ("forms 50k", 5, 8), ("narrow 200k", 10, 20)):
        lines.append(_times(f"{kind}, {UPSERT}", must, aim, found))
    for task, most, best in (("cases 800k", 1.0, 0.75), ("narrow 1M", 2.5, 1.8)):
        of = found.get(task, {})
        value = ratio(wall(of.get(OURS.name)), wall(of.get(RAW)), 2)
        lines.append(f"| {task}, wall against raw COPY | <= {most} | <= {best} | {value} |")
    small = found.get(START, {})
    start = wall(small.get(OURS.name))
    share = ratio(start, wall(small.get(MELTANOLABS.name)), 2)
    text = f"{start:.2f} s, {share} of MeltanoLabs" if start else "-"
    lines.append(f"| 1,000 records, whole process | <= 0.5 s, 1/3 | <= 0.25 s | {text} |")
    peaks = [run.megabytes for tools in found.values() for run in tools.get(OURS.name, ())]
    lines.append(f"| peak memory, MB | 100 | 64 | {max(peaks):.0f} |" if peaks else "")
    return [line for line in lines if line]


def _times(task: str, must: int, aim: int, found: Measured) -> str:
    of = found.get(task, {})
    value = ratio(wall(of.get(MELTANOLABS.name)), wall(of.get(OURS.name)))
    return f"| {task}, times MeltanoLabs | >= {must} | >= {aim} | {value} |"
