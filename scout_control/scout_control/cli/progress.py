"""What a run is at, for people who wait: live on a terminal, a line for each phase elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scout_control.cli.output import counts
from scout_control.cli.terminal import say
from scout_control.rules.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scout_control.runs.execute import Step


@contextmanager
def shown_live() -> Iterator[Callable[[Step], None]]:
    """Show steps as they come, on stderr."""
    if sys.stderr.isatty():
        with _on_terminal() as show:
            yield show
    else:
        yield _by_phase()


def described(step: Step) -> str:
    """Return what a run is at, in a line."""
    message = harmless(step.message)
    counted = counts(step.progress)
    return f"{message} ({counted} records)" if counted else message


def _by_phase() -> Callable[[Step], None]:
    phases: list[str] = []

    def show(step: Step) -> None:
        if step.phase not in phases[-1:]:
            phases.append(step.phase)
            say(described(step), err=True)

    return show


@contextmanager
def _on_terminal() -> Iterator[Callable[[Step], None]]:
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
        yield lambda step: progress.update(task, description=described(step))
