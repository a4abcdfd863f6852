"""``scout query``: its statement from an argument, a file or stdin; its result in four formats."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import wants_json, with_scout
from scout_control.cli.output import format_cell, print_fields, print_result, print_table
from scout_control.cli.terminal import say
from scout_control.rules.json_values import to_json_value
from scout_control.rules.terminal import escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from scout_control.api.scout import Scout
    from scout_control.datasets.query import QueryResult

DEFAULT_LIMIT, UNLIMITED = 1000, 2**31 - 1
NEEDS_QUOTES = re.compile(r'[",\r\n]|^\\\.$')  # the last ends the input of COPY
GAP = 2
"""Spaces between the columns of a table."""


@click.command()
@click.argument("dataset")
@click.argument("statement", required=False)
@click.option(
    "--file",
    "-f",
    "file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Read the statement from a file; - for stdin, the default when it is a pipe.",
)
@click.option(
    "--csv",
    "output",
    flag_value="csv",
    help='Print CSV: a header, then all rows (see --max-bytes). Null is empty, an empty text "".',
)
@click.option("--vertical", "output", flag_value="vertical", help="One line per value.")
@click.option("--table", "output", flag_value="table", help="A table, even if it is too wide.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    help=f"Return at most this many rows. [default: {DEFAULT_LIMIT}; with --csv, all]",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=67_108_864,
    show_default=True,
    help="Limit on the size of the result as text; rows beyond it are cut off.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1),
    default=30.0,
    show_default=True,
    help="Cancel the statement after this many seconds.",
)
@with_scout
def query(
    scout: Scout,
    dataset: str,
    statement: str | None,
    *,
    file: Path | None,
    output: str | None,
    limit: int | None,
    max_bytes: int,
    timeout: float,
) -> None:
    """Run an SQL STATEMENT on DATASET, read-only.

    The role that executes it can read nothing else. EXPLAIN and EXPLAIN ANALYZE show its plan.
    On a terminal, rows wider than the screen are shown with one line per value.
    """
    if output is not None and wants_json():
        raise click.UsageError(f"Give either --{output} or --json.")
    max_rows = limit or (UNLIMITED if output == "csv" else DEFAULT_LIMIT)
    result = scout.datasets.query(
        dataset,
        read_statement(statement, file),
        max_rows=max_rows,
        max_bytes=max_bytes,
        timeout_seconds=timeout,
    )
    rows = [[to_json_value(value) for value in row] for row in result.rows]
    data = {
        "columns": result.columns,
        "types": result.types,
        "rows": rows,
        "truncated": result.is_truncated,
        "truncated_by": result.truncated_by,
    }
    print_result(data, lambda: _show(result.columns, rows, output))
    _say_if_cut(result, max_rows, max_bytes)


def read_statement(statement: str | None, file: Path | None) -> str:
    """Return the statement of a command line.

    Raises:
        click.UsageError: It is missing, empty, not text, or given twice.
    """
    if statement is not None and file is not None:
        raise click.UsageError("Give either STATEMENT or --file.")
    if statement is None and file is None and sys.stdin.isatty():
        raise click.UsageError("Give a STATEMENT, --file FILE, or a statement on stdin.")
    try:
        if statement is None:
            is_stdin = file is None or str(file) == "-"
            raw = sys.stdin.buffer.read() if is_stdin else Path(str(file)).read_bytes()
            statement = raw.decode()
    except UnicodeDecodeError:
        raise click.UsageError("The statement is not UTF-8 text.") from None
    if not statement.strip():
        raise click.UsageError("The statement is empty.")
    return statement


def _show(columns: list[str], rows: list[list[Any]], output: str | None) -> None:
    if output == "csv":
        _print_csv(columns, rows)
    elif output == "vertical" or (output is None and is_too_wide(columns, rows)):
        _print_vertical(columns, rows)
    else:
        keys = [str(index) for index in range(len(columns))]  # column names may repeat
        records = [dict(zip(keys, row, strict=True)) for row in rows]
        print_table(records, keys, "No rows.", titles=columns)


def is_too_wide(columns: list[str], rows: list[list[Any]]) -> bool:
    """Return whether a table is wider than the terminal; never without one."""
    if not sys.stdout.isatty() or not rows:
        return False
    lines = [columns, *([format_cell(value) for value in row] for row in rows)]
    width = sum(max(map(len, column)) + GAP for column in zip(*lines, strict=True)) - GAP
    return width > shutil.get_terminal_size().columns


def _print_vertical(columns: list[str], rows: list[list[Any]]) -> None:
    if not rows:
        say("No rows.")
    for number, row in enumerate(rows, 1):
        say(f"-- row {number}")
        print_fields(zip(unique(columns), row, strict=True))


def unique(columns: list[str]) -> list[str]:
    """Return column names of which repeated ones are numbered."""
    seen: dict[str, int] = {}
    names = []
    for column in columns:
        seen[column] = seen.get(column, 0) + 1
        names.append(column if seen[column] == 1 else f"{column} ({seen[column]})")
    return names


def as_csv(columns: list[str], rows: list[list[Any]]) -> str:
    """Return a result as CSV with the values as Postgres' JSON writes them.

    As Postgres itself writes CSV, null is empty, and an empty text is ``""``; the module csv tells
    them apart only from Python 3.12 on.
    """
    lines = (",".join(map(_csv_field, row)) for row in (columns, *rows))
    return "".join(f"{line}\n" for line in lines)


def _csv_field(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if text and not NEEDS_QUOTES.search(text):
        return text
    return '"{}"'.format(text.replace('"', '""'))


def _print_csv(columns: list[str], rows: list[list[Any]]) -> None:
    text = as_csv(columns, rows)
    # Files and programs get the data as it is; a terminal would obey escape sequences in it.
    click.echo(escaped(text, keep="\n") if sys.stdout.isatty() else text, nl=False)


def _say_if_cut(result: QueryResult, max_rows: int, max_bytes: int) -> None:
    if result.truncated_by == "rows":
        shown = counted(max_rows, "row")
        say(f"The output ends after {shown}; for more, see --limit.", err=True)
    if result.truncated_by == "bytes":
        say(f"The result was cut at {max_bytes} bytes; see --max-bytes.", err=True)
