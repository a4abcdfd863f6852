"""Shows the progress of a run on stderr: live on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from scout_control.api.progress_view import PlainProgress, ProgressView
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import RenderableType

    from scout_control.runs.context import ProgressEvent

    Show = Callable[[ProgressEvent], None]

REFRESHES_PER_SECOND = 4
TICK_SECONDS = 1.0
USUAL_SIZE = (80, 24)
"""Of a terminal that does not know its size, such as a serial line."""
PLAIN_TERMINALS = frozenset({"", "dumb", "unknown"})
LOCALE_VARIABLES = ("LC_ALL", "LC_CTYPE", "LANG")  # the first one that is set wins
STYLES = {
    "title": "bold",
    "dim": "dim",
    "wait": "yellow",
    "full": "green",
    "read": "cyan",
    "empty": "dim",
}


@contextmanager
def shown_progress(title: str, stream: IO[str] | None = None) -> Iterator[Show]:
    """Show what the returned function is called with, until the context is left.

    Args:
        title: What is run.
        stream: Where to; standard error by default.
    """
    stream = sys.stderr if stream is None else stream
    showing = _on_terminal if can_redraw(stream, os.environ) else _as_lines
    with showing(title, stream) as show:
        yield show


def can_redraw(stream: IO[str], environment: Mapping[str, str]) -> bool:
    """Return whether a stream is a terminal on which lines can be overwritten."""
    return stream.isatty() and environment.get("TERM", "") not in PLAIN_TERMINALS


def is_ascii_only(stream: IO[str], environment: Mapping[str, str]) -> bool:
    """Return whether only ASCII may be shown, by the locale.

    Python itself writes UTF-8 in the C locale, but the terminal may not understand it.
    """
    encoding = getattr(stream, "encoding", None)  # none of text in memory
    if encoding and not encoding.lower().replace("-", "").startswith("utf"):
        return True
    given = [environment[name] for name in LOCALE_VARIABLES if environment.get(name)]
    return "utf" not in (given[0].lower() if given else "")


@contextmanager
def _on_terminal(title: str, stream: IO[str]) -> Iterator[Show]:
    from rich.console import Console, ConsoleDimensions, Group
    from rich.live import Live
    from rich.text import Text

    view, lock = ProgressView(title), threading.Lock()
    is_ascii = is_ascii_only(stream, os.environ)
    console = Console(file=stream, highlight=False, markup=False, emoji=False)

    def draw() -> RenderableType:
        width, height = _size(stream)
        console.size = ConsoleDimensions(width, height)  # rich asks the standard streams
        with lock:
            lines = view.lines(time.monotonic(), width - 1, height - 1, is_ascii=is_ascii)
        texts = [
            Text.assemble(
                *((_shown(text, is_ascii=is_ascii), STYLES.get(style, "")) for text, style in line),
                no_wrap=True,
                overflow="crop",
            )
            for line in lines
        ]
        return Group(*texts)

    def show(event: ProgressEvent) -> None:
        with lock:
            view.update(event, time.monotonic())

    live = Live(
        console=console,
        get_renderable=draw,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
    )
    with live:
        yield show


def _size(stream: IO[str]) -> tuple[int, int]:
    """Return the present columns and rows of a terminal."""
    try:
        width, height = os.get_terminal_size(stream.fileno())
    except OSError:
        return USUAL_SIZE
    return width or USUAL_SIZE[0], height or USUAL_SIZE[1]


def _shown(text: str, *, is_ascii: bool) -> str:
    return text.encode("ascii", "backslashreplace").decode() if is_ascii else text


@contextmanager
def _as_lines(title: str, stream: IO[str]) -> Iterator[Show]:
    plain, lock, is_over = PlainProgress(title), threading.Lock(), threading.Event()
    is_ascii = is_ascii_only(stream, os.environ)

    def write(lines: list[str]) -> None:
        for line in lines:
            print(_shown(escaped(line), is_ascii=is_ascii), file=stream, flush=True)

    def show(event: ProgressEvent) -> None:
        with lock:
            write(plain.on_event(event, time.monotonic()))

    def tick() -> None:
        while not is_over.wait(TICK_SECONDS):
            with lock:
                write(plain.on_tick(time.monotonic()))

    ticking = threading.Thread(target=tick, name="progress", daemon=True)
    ticking.start()
    try:
        yield show
    finally:
        is_over.set()
        ticking.join()
