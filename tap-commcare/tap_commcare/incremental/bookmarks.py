"""Decides where an incremental read begins, and where an interrupted one resumes. Pure.

The bookmark of a stream has three parts: the latest time that was emitted; when the last read
began, by the server's clock; and, if that read was interrupted, its progress. The reasons are in
docs/decisions/0007-incremental-reading.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tap_commcare.pagination.pages import PageToken, Window

Entry = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """Where to begin: with the first row of a window, or with a page inside it."""

    window: Window
    page_token: PageToken | None = None

    @property
    def emit_after(self) -> int | None:
        """Only rows with later times are emitted; None: all rows."""
        return None if self.page_token is not None else self.window.after


@dataclass(frozen=True)
class Progress:
    """The progress of an unfinished read."""

    at: int
    """The latest time that it emitted."""
    until: int | None = None
    """The end of the window that it was reading."""
    page_token: PageToken | None = None
    """The next page of that window; None after its last page."""

    def entry(self) -> dict[str, Any]:
        """Return the progress in the format of the state."""
        entry: dict[str, Any] = {"at": self.at}
        if self.until is not None:
            entry["until"] = self.until
        if self.page_token is not None:
            entry["more"] = self.page_token
        return entry


def stored_progress(entry: Entry) -> Progress | None:
    """Return the progress in a bookmark; None if the read was completed."""
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
        last_read_began: When the last read began. A row may become visible later than rows with
            later times. Rows written since the last read began may therefore have been missed, and
            are read again.
        overlap: How much further back to begin, in milliseconds.
        start_date: The setting ``start_date``, or None.
    """
    if latest is None:
        return Start(Window(None if start_date is None else start_date - 1, None))
    certain = latest if last_read_began is None else min(latest, last_read_began)
    # One millisecond less: a window excludes the time at which it begins, and other rows may have
    # the same time.
    after = certain - overlap - 1
    return Start(Window(after if start_date is None else max(after, start_date - 1), None))


def resume(progress: Progress, read_began: int, overlap: int, start_date: int | None) -> Start:
    """Return where an interrupted read resumes.

    Rows that are older than the beginning of the read, minus the overlap, were all visible to it.
    If the progress lies in that period, the read continues there. Otherwise rows may have been
    missed, and the read begins again as a new read would.
    """
    # Newer rows may have become visible on pages that were read already.
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

    If the times of the page span more than the overlap, the progress is the time of its last row:
    resuming there repeats less than this page, and needs no page token, which may expire. Otherwise
    the page token is stored as well: if very many rows have the same time, resuming by time would
    begin with the first of them after each interruption, and might never finish.
    """
    if overlap > 0 and first < last - overlap:
        return Progress(last)
    return Progress(last, window.until, page_token)
