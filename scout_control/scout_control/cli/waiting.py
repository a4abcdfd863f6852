"""Shows that a command waits, and for what."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scout_control.api.progress_display import can_redraw
from scout_control.cli.terminal import say
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE_EVERY_SECONDS = 10.0
"""Where lines cannot be redrawn: silence for longer looks as if nothing happened any more."""


@contextmanager
def waiting(text: str) -> Iterator[Callable[[str], None]]:
    """Show that something is waited for; the function that it yields tells why it takes long."""
    if not can_redraw(sys.stderr, os.environ):
        say(f"{text}...", err=True)
        with _lines(text) as tell:
            yield unless_repeated(tell)
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(escaped(text))) as status:
        yield lambda why: status.update(Text(escaped(f"{text}: {why}")))


@contextmanager
def _lines(text: str) -> Iterator[Callable[[str], None]]:
    """Write a line for each reason, and one after each time without any."""
    began_at = time.monotonic()
    is_told, is_over = threading.Event(), threading.Event()

    def remind() -> None:
        while not is_over.is_set():
            if not is_told.wait(LINE_EVERY_SECONDS) and not is_over.is_set():
                passed = time.monotonic() - began_at
                say(f"{text}: {passed:.0f} s so far", err=True)
            is_told.clear()

    def tell(why: str) -> None:
        is_told.set()
        say(f"{text}: {why}", err=True)

    reminder = threading.Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield tell
    finally:
        is_over.set()
        is_told.set()
        reminder.join()


def unless_repeated(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Return what tells a reason unless it was the last one: several requests have the same.

    What follows in parentheses, such as the seconds that are left, makes no other reason.
    """
    last = ""

    def told(why: str) -> None:
        nonlocal last
        what = why.partition(" (")[0]
        if what != last:
            last = what
            tell(why)

    return told
