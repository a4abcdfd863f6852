"""How answers are shown: as tables to people, as JSON to programs. Only answers go to stdout."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import wants_json
from scout_control.cli.terminal import say
from scout_control.rules.terminal import as_json, harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")


def answer(data: Any, show: Callable[[], None] | None = None) -> None:
    """Print an answer: as JSON for programs, else as ``show`` does."""
    if wants_json() or show is None:
        say(as_json(data))
    else:
        show()


def said(text: str, data: Any = None) -> None:
    """Say that something was done."""
    answer({"success": True, **(data or {})}, lambda: say(text))


def advise(command: str) -> None:
    """Tell people what to do next; not part of the answer."""
    if not wants_json():
        say(f"Next: {command}", err=True)


def table(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    empty: str = "None yet.",
    *,
    titles: Sequence[str] | None = None,
) -> None:
    """Print rows for people; the titles are the columns' names when left out."""
    found = list(rows)
    if not found:
        say(empty)
        return
    head = [harmless(title) for title in titles or [each.replace("_", " ") for each in columns]]
    _print([head, *([cell(row.get(column)) for column in columns] for row in found)])


def facts(row: Mapping[str, Any]) -> None:
    """Print one thing for people."""
    told = {name: value for name, value in row.items() if value not in (None, "", {}, [])}
    _print(
        [[harmless(name).replace("_", " "), cell(value)] for name, value in told.items()],
        titles="column",
    )


def in_short(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dataset as lists show it: with the sum of its rows, and what its run is at."""
    counted = [rows for rows in dataset["row_counts"].values() if rows is not None]
    rows = f"{sum(counted):,} in {len(counted)} streams" if counted else None
    return {**dataset, "rows": rows, "status": _situation(dataset)}


def _situation(dataset: Mapping[str, Any]) -> str:
    run = dataset["run"] or {}
    words = {
        "queued": "run queued",
        "paused": f"waits until {cell(run.get('resume_at'))}",
        "running": " ".join((run.get("phase", ""), counts(run.get("progress", {})))).strip(),
    }
    extra = [words[run["status"]]] if run else []
    extra += ["paused by you"] if dataset["is_paused"] else []
    return f"{dataset['status']} ({', '.join(extra)})" if extra else dataset["status"]


def counts(progress: Mapping[str, Any]) -> str:
    """Return how many records came, of how many where the source of every stream told."""
    fetched = sum(each["fetched"] for each in progress.values())
    totals = [each.get("total") for each in progress.values()]
    if not fetched:
        return ""
    if None in totals or sum(totals) < fetched:
        return f"{fetched:,}"
    return f"{fetched:,} of {sum(totals):,}"


def cell(value: Any) -> str:
    """Return a value as people read it, in one line."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{harmless(name)} {cell(value[name])}" for name in sorted(value)) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(cell(each) for each in value) or "-"
    moment = MOMENT.fullmatch(value) if isinstance(value, str) else None
    return f"{moment[1]} {moment[2]}Z" if moment else harmless(str(value))


def _print(rows: list[list[str]], titles: str = "row") -> None:
    """Print a table; its first row, or column, are titles."""
    draw = _folded if sys.stdout.isatty() else _in_columns
    for line in draw(rows, titles):
        click.echo(line.rstrip())  # its cells are harmless; the bold titles are ours


def _in_columns(rows: list[list[str]], _titles: str) -> Iterator[str]:
    """Draw for files and programs: a row is a line, however long."""
    cells = [[" ".join(each.split()) for each in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(each.ljust(width) for each, width in zip(row, widths, strict=True))


def _folded(rows: list[list[str]], titles: str) -> list[str]:
    """Draw for people: cells are folded to the width of the terminal, titles are bold."""
    from rich.console import Console  # noqa: PLC0415 - takes a moment to load
    from rich.table import Table  # noqa: PLC0415 - the same

    has_header = titles == "row"
    drawn = Table(box=None, pad_edge=False, show_header=has_header, header_style="bold")
    for at, title in enumerate(rows[0]):
        is_title = not has_header and at == 0
        drawn.add_column(title, overflow="fold", style="bold" if is_title else None)
    for row in rows[1:] if has_header else rows:
        drawn.add_row(*row)
    console = Console(markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get().splitlines()
