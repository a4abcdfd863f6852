"""Prints the demo: progress bars on a terminal, plain lines elsewhere, tables at the end."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_EVERY_SECONDS = 2.0


class Display(ABC):
    """Prints the steps, the progress and the tables of the demo."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

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
        table = Table()
        numeric = [
            all(isinstance(row[at], int | float) for row in rows) for at in range(len(columns))
        ]
        for name, is_number in zip(columns, numeric, strict=True):
            table.add_column(_text(name), justify="right" if is_number else "left")
        for row in rows:
            table.add_row(*(_text(_shown(value)) for value in row))
        self._console.print(table)

    @abstractmethod
    def rows(self, counts: Mapping[str, int], totals: Mapping[str, int]) -> None:
        """Show how many rows of each stream are committed, and the totals where they are known."""

    @abstractmethod
    def done(self) -> None:
        """End the progress: all rows are loaded."""


class PlainDisplay(Display):
    """Lines for a log file, with one on progress every few seconds."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._printed: dict[str, int] = {}
        self._printed_at = 0.0

    def rows(self, counts: Mapping[str, int], totals: Mapping[str, int]) -> None:
        """Print the streams that have new rows, at most every two seconds."""
        moved = {name: rows for name, rows in counts.items() if rows != self._printed.get(name, 0)}
        if not moved or time.monotonic() - self._printed_at < LINE_EVERY_SECONDS:
            return
        self._printed_at = time.monotonic()
        self._printed |= moved
        counted = (
            f"{name} {rows:,}" + (f" of {totals[name]:,}" if name in totals else "")
            for name, rows in moved.items()
        )
        self.step(f"In Postgres: {', '.join(counted)}")

    def done(self) -> None:
        """Forget what was printed, for the next run."""
        self._printed.clear()
        self._printed_at = 0.0


class TerminalDisplay(Display):
    """A progress bar per stream."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}

    def rows(self, counts: Mapping[str, int], totals: Mapping[str, int]) -> None:
        """Update the bars; one whose total is unknown pulses."""
        if self._progress is None:
            named = TextColumn("{task.description:<16}", markup=False)
            columns = (SpinnerColumn(), named, BarColumn())
            self._progress = Progress(*columns, MofNCompleteColumn(), console=self._console)
            self._progress.start()
        for name, rows in counts.items():
            if name not in self._bars:
                self._bars[name] = self._progress.add_task(escaped(name), total=totals.get(name))
            self._progress.update(self._bars[name], completed=rows)

    def done(self) -> None:
        """Stop the bars as they are."""
        if self._progress is not None:
            for bar in self._progress.tasks:
                self._progress.update(bar.id, total=bar.completed)
            self._progress.stop()
        self._progress = None
        self._bars = {}


def display_for(console: Console) -> Display:
    """Return the display that suits the console."""
    return TerminalDisplay(console) if console.is_terminal else PlainDisplay(console)


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
