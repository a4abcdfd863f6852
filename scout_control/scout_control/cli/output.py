"""Prints results: tables for people, JSON for programs. Only results go to stdout."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import wants_json
from scout_control.cli.terminal import say
from scout_control.rules.terminal import as_json, escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")


def print_result(data: Any, show: Callable[[], None] | None = None) -> None:
    """Print a result as JSON if --json was given or ``show`` is missing, else by ``show``."""
    if wants_json() or show is None:
        say(as_json(data))
    else:
        show()


def print_done(text: str, data: Any = None) -> None:
    """Confirm that a command succeeded."""
    print_result({"success": True, **(data or {})}, lambda: say(text))


def suggest(command: str) -> None:
    """Suggest the next command to people, on stderr: it is not part of the result."""
    if not wants_json():
        say(f"Next: {command}", err=True)


def print_table(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    empty: str = "None yet.",
    *,
    titles: Sequence[str] | None = None,
) -> None:
    """Print rows as a table; titles are printed exactly, and default to labels of the columns."""
    records = list(rows)
    if not records:
        say(empty)
        return
    titles = titles or [column.replace("_", " ") for column in columns]
    header = [escaped(title) for title in titles]
    body = [[format_cell(record.get(column)) for column in columns] for record in records]
    _print_rows([header, *body])


def print_table_cut(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], empty: str = "None yet."
) -> None:
    """Print rows as a table with one line each: on a terminal, the last column is cut to fit."""
    body = [[format_cell(row.get(column)) for column in columns] for row in rows]
    if not body:
        say(empty)
        return
    table = [[escaped(column).replace("_", " ") for column in columns], *body]
    width = terminal_width()
    for line in _draw_columns(table, "row"):
        text = line.rstrip()
        say(text if width is None or len(text) <= width else f"{text[: width - 3]}...")


def terminal_width() -> int | None:
    """Return the width of the terminal; None where the output is not read on one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_record(record: Mapping[str, Any]) -> None:
    """Print the fields of one object, one per line, without the empty ones."""
    print_fields((name.replace("_", " "), value) for name, value in record.items())


def print_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """Print names exactly as they are, each with its value, without the empty ones."""
    shown = [(name, value) for name, value in fields if value not in (None, "", {}, [])]
    rows = [[escaped(name), format_cell(value)] for name, value in shown]
    if rows:
        _print_rows(rows, titles="column")


def dataset_row(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dataset for a list: with total rows, and with the status of its run."""
    counts = [count for count in dataset["row_counts"].values() if count is not None]
    rows = f"{sum(counts):,} in {counted(len(counts), 'stream')}" if counts else None
    return {**dataset, "rows": rows, "status": _dataset_status(dataset)}


def describe_run(run: Mapping[str, Any]) -> str:
    """Return what a run that has not ended is doing."""
    activity = run.get("activity") or {}
    wait = activity.get("wait")
    # Without a time, a queued run waits for a worker, and the reason is what stopped it.
    is_stopped = run["status"] == "queued" and wait and "until" not in wait
    waits = f"; {'' if is_stopped else 'waits: '}{wait['reason']}" if wait else ""
    if run.get("is_interrupted"):
        return "interrupted, waits for a worker"
    if run["status"] == "queued":
        return f"run queued{waits}"
    if run["status"] == "paused":
        return f"waits until {format_cell(run.get('resume_at'))}"
    doing = " ".join((run.get("phase", ""), format_counts(run.get("progress", {})))).strip()
    if models := activity.get("models"):
        doing = f"dbt {models['done']} of {models['total']} models and tests"
    return f"{doing}{waits}"


def _dataset_status(dataset: Mapping[str, Any]) -> str:
    details = [describe_run(dataset["run"])] if dataset["run"] else []
    details += ["schedule paused"] if dataset["is_paused"] else []
    details += [] if dataset["is_linked"] else ["unlinked"]
    status = dataset["status"]
    if dataset["run"] and dataset["run"]["status"] in {"queued", "paused"}:
        status = dataset["run"]["status"] if status == "syncing" else status
    return f"{status} ({', '.join(details)})" if details else status


def format_counts(progress: Mapping[str, Any]) -> str:
    """Return the number of records fetched, with the total if all streams have announced theirs."""
    fetched = sum(each["fetched"] for each in progress.values())
    totals = [each.get("total") for each in progress.values()]
    if not fetched:
        return ""
    if None in totals or sum(totals) < fetched:
        return f"{fetched:,}"
    return f"{fetched:,} of {sum(totals):,}"


def format_cell(value: Any) -> str:
    """Return a value as text in one line."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        pairs = (f"{escaped(name)} {format_cell(value[name])}" for name in sorted(value))
        return ", ".join(pairs) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(format_cell(each) for each in value) or "-"
    timestamp = TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    return f"{timestamp[1]} {timestamp[2]}Z" if timestamp else escaped(str(value))


def _print_rows(rows: list[list[str]], titles: str = "row") -> None:
    """Print a table whose first ``titles`` (row or column) holds the titles."""
    draw = _draw_folded if sys.stdout.isatty() else _draw_columns
    for line in draw(rows, titles):
        click.echo(line.rstrip())  # cells are escaped already; say() would escape the bold titles


def _draw_columns(rows: list[list[str]], titles: str) -> Iterator[str]:
    """Draw for files and pipes: one line per row, however long."""
    cells = [
        [
            text if (row if titles == "row" else column) == 0 else " ".join(text.splitlines())
            for column, text in enumerate(texts)
        ]
        for row, texts in enumerate(rows)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(each.ljust(width) for each, width in zip(row, widths, strict=True))


def _draw_folded(rows: list[list[str]], titles: str) -> list[str]:
    """Draw for a terminal: cells folded to its width, titles in bold."""
    from rich.console import Console
    from rich.table import Table

    has_header = titles == "row"
    table = Table(box=None, pad_edge=False, show_header=has_header, header_style="bold")
    for index, title in enumerate(rows[0]):
        is_title = not has_header and index == 0
        table.add_column(title, overflow="fold", style="bold" if is_title else None)
    for row in rows[1:] if has_header else rows:
        table.add_row(*row)
    console = Console(markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines()
