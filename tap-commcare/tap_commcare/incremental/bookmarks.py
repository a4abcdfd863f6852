"""Where an incremental read begins, and where an interrupted one goes on. Pure.

Three things are remembered for each stream: the bookmark (the latest stamp that was emitted), when
the last read began by the server's clock, and, while a read is unfinished, how far it came. Why so
is told in docs/decisions/0007-incremental-reading.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tap_commcare.pagination.pages import PageToken
from tap_commcare.pagination.windows import Window

Entry = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """Where to begin: at a window's first row, or in the middle of it."""

    window: Window
    more: PageToken | None = None

    @property
    def floor(self) -> int | None:
        """Return the stamp after which rows are wanted, unless it is inside a window."""
        return None if self.more is not None else self.window.after


@dataclass(frozen=True)
class Progress:
    """How far an unfinished read came."""

    at: int
    """The latest stamp that it emitted."""
    until: int | None = None
    """The end of the window that it was in."""
    more: PageToken | None = None
    """How to go on inside that window; None if it was read to its end."""

    def entry(self) -> dict[str, Any]:
        """Return what the state holds."""
        known: dict[str, Any] = {"at": self.at}
        if self.until is not None:
            known["until"] = self.until
        if self.more is not None:
            known["more"] = self.more
        return known


def progress_of(entry: Entry) -> Progress | None:
    """Return the progress that a state holds, or None if its read was complete."""
    position = entry.get("position")
    if not isinstance(position, dict) or not isinstance(position.get("at"), int):
        return None
    until, more = position.get("until"), position.get("more")
    return Progress(
        position["at"],
        until if isinstance(until, int) else None,
        more if isinstance(more, dict) else None,
    )


def begin(bookmark: int | None, read_started: int | None, overlap: int, start: int | None) -> Start:
    """Return where a new read begins.

    Args:
        bookmark: The latest stamp of the reads before, or None for a first read.
        read_started: When the read before began. A row may become visible after rows with later
            stamps, but not before it was stamped: what was stamped since then is read again.
        overlap: How far before the bookmark to begin, in milliseconds.
        start: The setting ``start_date``, or None.
    """
    if bookmark is None:
        return Start(Window(None if start is None else start - 1, None))
    latest = bookmark if read_started is None else min(bookmark, read_started)
    # One less, because a window does not hold its first stamp, and rows of one stamp may be many.
    after = latest - overlap - 1
    return Start(Window(after if start is None else max(after, start - 1), None))


def resume(progress: Progress, read_started: int, overlap: int, start: int | None) -> Start:
    """Return where an interrupted read goes on.

    What was stamped long enough before the read began was visible to it, so it need not be read
    again; anything later is read again from where it may have been incomplete.
    """
    is_safe = progress.at < read_started - overlap
    if is_safe and progress.more is not None:
        return Start(Window(None, progress.until), progress.more)
    if is_safe and progress.until is not None:
        return Start(Window(progress.until, None))
    return begin(progress.at, read_started, overlap, start)


def progress_after(
    first: int, last: int, window: Window, more: PageToken | None, overlap: int
) -> Progress:
    """Return the progress after a page whose rows bear these stamps.

    When the page reaches back beyond the overlap, going on by time repeats less than this page.
    Otherwise the place inside the window is needed, or a crowd of equal stamps would be read from
    its beginning again and again.
    """
    if overlap > 0 and first < last - overlap:
        return Progress(last)
    return Progress(last, window.until, more)
