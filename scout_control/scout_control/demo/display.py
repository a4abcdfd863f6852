"""Prints the demo: its steps with the time, and tables at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from scout_control.api.progress_display import is_ascii_only
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from rich.console import Console


class Display:
    """Prints the steps and the tables of the demo."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._is_ascii = is_ascii_only(console.file, os.environ)

    @property
    def stream(self) -> IO[str]:
        """The stream on which the progress of runs is shown, too."""
        return self._console.file

    def step(self, text: str) -> None:
        """Print what was done, and the seconds since the start."""
        seconds = time.monotonic() - self._began
        self._console.print(_text(f"{seconds:5.1f} s  {text}"), soft_wrap=True)

    def say(self, text: str = "") -> None:
        """Print text without a time; commands are not wrapped."""
        self._console.print(_text(text), soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table, with numbers aligned to the right."""
        self._console.print(_text(f"\n{title}", style="bold"))
        table = Table(box=box.ASCII if self._is_ascii else box.HEAVY_HEAD)
        numeric = [
            all(isinstance(row[at], int | float) for row in rows) for at in range(len(columns))
        ]
        for name, is_number in zip(columns, numeric, strict=True):
            table.add_column(_text(name), justify="right" if is_number else "left")
        for row in rows:
            table.add_row(*(_text(_shown(value)) for value in row))
        self._console.print(table)


def _text(text: str, style: str = "") -> Text:
    """Return literal text: no markup, and no control character but the line feed."""
    return Text(escaped(text, keep="\n"), style=style)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
