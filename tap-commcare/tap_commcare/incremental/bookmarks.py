"""Where an incremental read begins, and where an interrupted one resumes. Pure.

The bookmark of a stream has three parts: the latest time that was emitted, when the last read began
by the server's clock, and, while a read is unfinished, how far it came. The reasons are in
docs/decisions/0007-incremental-reading.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tap_commcare.pagination.pages import PageToken, Window

Entry = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """Where to begin: at a window's first row, or at a page inside it."""

    window: Window
    page_token: PageToken | None = None

    @property
    def emit_after(self) -> int | None:
        """The time after which rows are emitted; None for all rows that are read."""
        return None if self.page_token is not None else self.window.after


@dataclass(frozen=True)
class Progress:
    """How far an unfinished read came."""

    at: int
    """The latest time that it emitted."""
    until: int | None = None
    """The end of the window that it was reading."""
    page_token: PageToken | None = None
    """The next page of that window; None if the window was complete."""

    def entry(self) -> dict[str, Any]:
        """Return the progress as it is stored in the state."""
        entry: dict[str, Any] = {"at": self.at}
        if self.until is not None:
            entry["until"] = self.until
        if self.page_token is not None:
            entry["more"] = self.page_token
        return entry


def stored_progress(entry: Entry) -> Progress | None:
    """Return the progress in a bookmark; None if its read was complete."""
    position = entry.get("position")
    if not isinstance(position, dict) or not isinstance(position.get("at"), int):
        return None
    until, page_token = position.get("until"), position.get("more")
    return Progress(
        position["at"],
        until if isinstance(until, int) else None,
        page_token if isinstance(page_token, dict) else None,
    )


def begin(
    latest: int | None, last_read_began: int | None, overlap: int, start_date: int | None
) -> Start:
    """Return where a new read begins.

    Args:
        latest: The latest time of earlier reads; None for a first read.
        last_read_began: When the last read began. A row may become visible after rows of later
            times, but never before its own time. So what was written since that read began may
            have been missed, and is read again.
        overlap: How far before that to begin, in milliseconds.
        start_date: The setting ``start_date``, or None.
    """
    if latest is None:
        return Start(Window(None if start_date is None else start_date - 1, None))
    certain = latest if last_read_began is None else min(latest, last_read_began)
    # One less, because a window begins after its first time, and many rows may have the same one.
    after = certain - overlap - 1
    return Start(Window(after if start_date is None else max(after, start_date - 1), None))


def resume(progress: Progress, read_began: int, overlap: int, start_date: int | None) -> Start:
    """Return where an interrupted read resumes.

    Rows whose time is before the read began, less the overlap, were visible to it and need not be
    read again. Later rows are read again from where they may be incomplete.
    """
    # Later rows may have become visible behind the page that the token names.
    is_certain = progress.at < read_began - overlap
    if is_certain and progress.page_token is not None:
        return Start(Window(None, progress.until), progress.page_token)
    if is_certain and progress.until is not None:
        return Start(Window(progress.until, None))
    return begin(progress.at, read_began, overlap, start_date)


def progress_after(
    first: int, last: int, window: Window, page_token: PageToken | None, overlap: int
) -> Progress:
    """Return the progress after a page whose rows have times from ``first`` to ``last``.

    If the page is longer than the overlap, resuming by time repeats less than this page, and needs
    no token that may expire. Otherwise the token is needed: a long run of equal times would be read
    from its beginning again after each interruption, and never end.
    """
    if overlap > 0 and first < last - overlap:
        return Progress(last)
    return Progress(last, window.until, page_token)
