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
        yield unless_repeated(lambda why: say(f"{text}: {why}", err=True))
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(escaped(text))) as status:
        yield lambda why: status.update(Text(escaped(f"{text}: {why}")))


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
