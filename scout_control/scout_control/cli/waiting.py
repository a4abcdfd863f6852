"""Shows that a command waits, and for what."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scout_control.api.progress_display import can_redraw
from scout_control.cli.terminal import say
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def waiting(text: str) -> Iterator[Callable[[str], None]]:
    """Show that something is waited for; the function that it yields tells why it takes long."""
    if not can_redraw(sys.stderr, os.environ):
        say(f"{text}...", err=True)
        told = [""]

        def tell(why: str) -> None:
            what = why.partition(" (")[0]  # each of several requests tells the same
            if what != told[-1]:
                told.append(what)
                say(f"{text}: {why}", err=True)

        yield tell
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(escaped(text))) as status:
        yield lambda why: status.update(Text(escaped(f"{text}: {why}")))
