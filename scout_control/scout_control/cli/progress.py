"""Shows the progress of a run: live on a terminal, one line per phase elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scout_control.cli.output import format_counts
from scout_control.cli.terminal import say
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scout_control.runs.context import ProgressEvent


@contextmanager
def shown_live() -> Iterator[Callable[[ProgressEvent], None]]:
    """Show progress on stderr."""
    if sys.stderr.isatty():
        with _on_terminal() as show:
            yield show
    else:
        yield _by_phase()


def describe(event: ProgressEvent) -> str:
    """Return one line about the progress of a run."""
    message = escaped(event.message)
    counted = format_counts(event.progress)
    return f"{message} ({counted} records)" if counted else message


def _by_phase() -> Callable[[ProgressEvent], None]:
    phases: list[str] = []

    def show(event: ProgressEvent) -> None:
        if event.phase not in phases[-1:]:
            phases.append(event.phase)
            say(describe(event), err=True)

    return show


@contextmanager
def _on_terminal() -> Iterator[Callable[[ProgressEvent], None]]:
    from rich.console import Console
    from rich.progress import (
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Starting")
        yield lambda event: progress.update(task, description=describe(event))
