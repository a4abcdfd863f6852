"""What the demo shows: bars on a terminal, plain lines elsewhere, tables at the end."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from scout_control.rules.terminal import harmless

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_EVERY_SECONDS = 2.0


class Display(ABC):
    """Where the demo's words go."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    def step(self, text: str) -> None:
        """Say what was done, and how long after the start."""
        seconds = time.monotonic() - self._began
        self._console.print(_text(f"{seconds:5.1f} s  {text}"), soft_wrap=True)

    def say(self, text: str = "") -> None:
        """Say something that is not a step; commands are never broken into lines."""
        self._console.print(_text(text), soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Show a table; numbers stand to the right."""
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
        """Show how many rows of each stream are in Postgres; totals where they are known."""

    @abstractmethod
    def done(self) -> None:
        """Take the progress away: no more rows come."""


class PlainDisplay(Display):
    """Lines for a log file; now and then one that says which streams moved."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._said: dict[str, int] = {}
        self._said_at = 0.0

    def rows(self, counts: Mapping[str, int], totals: Mapping[str, int]) -> None:
        """Print the streams that moved, at most every two seconds."""
        moved = {name: rows for name, rows in counts.items() if rows != self._said.get(name, 0)}
        if not moved or time.monotonic() - self._said_at < LINE_EVERY_SECONDS:
            return
        self._said_at = time.monotonic()
        self._said |= moved
        told = (
            f"{name} {rows:,}" + (f" of {totals[name]:,}" if name in totals else "")
            for name, rows in moved.items()
        )
        self.step(f"In Postgres: {', '.join(told)}")

    def done(self) -> None:
        """Nothing stays on the screen to take away."""
        self._said.clear()
        self._said_at = 0.0


class TerminalDisplay(Display):
    """A bar per stream."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}

    def rows(self, counts: Mapping[str, int], totals: Mapping[str, int]) -> None:
        """Move the bars; a stream whose end is not known has a bar that only pulses."""
        if self._progress is None:
            named = TextColumn("{task.description:<16}", markup=False)
            columns = (SpinnerColumn(), named, BarColumn())
            self._progress = Progress(*columns, MofNCompleteColumn(), console=self._console)
            self._progress.start()
        for name, rows in counts.items():
            if name not in self._bars:
                self._bars[name] = self._progress.add_task(harmless(name), total=totals.get(name))
            self._progress.update(self._bars[name], completed=rows)

    def done(self) -> None:
        """Let the bars stand as they are."""
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
    """Return text that means what it says: no markup, and of controls only the ends of lines."""
    return Text(harmless(text, keep="\n"), style=style)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
