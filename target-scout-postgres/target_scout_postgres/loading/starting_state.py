"""Detects a starting state that claims rows which the dataset schema does not have.

A tap continues where its state ends. With the state of another schema, or after a table was
dropped, it sends only what is new, and everything else would be missing silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from target_scout_postgres.loading.stream import Stream

# Members of a bookmark that do not say how far a stream was read.
NOT_PROGRESS = {
    "context",
    "domain",
    "last_replication_method",
    "last_version",
    "progress_markers",
    "replication_key",
    "replication_key_signpost",
    "replication_method",
    "scope",
    "starting_replication_value",
    "version",
}


def streams_with_progress(value: bytes) -> set[str]:
    """Return the streams that a STATE says were read, in whole or in part."""
    try:
        state = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return set()
    if not isinstance(state, dict):
        return set()
    bookmarks = state.get("bookmarks", state)
    if not isinstance(bookmarks, dict):
        return set()
    return {name for name, bookmark in bookmarks.items() if any(_progress(bookmark))}


def _progress(bookmark: Any) -> Iterator[bool]:
    """Yield, for each value of a bookmark, whether it says how far a stream was read."""
    waiting = [bookmark]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [member for name, member in value.items() if name not in NOT_PROGRESS]
        elif isinstance(value, list):
            waiting += value
        else:
            yield not isinstance(value, bool) and value not in (None, "")


class StartingState:
    """The claims of a run's first STATE about streams that have no record yet.

    Taps print the state that they were started with, or print one before they reach a stream: a
    bookmark that precedes the stream's first record was not made in this run.
    """

    def __init__(self, is_missing: Callable[[Stream], bool]) -> None:
        self._is_missing = is_missing
        self._claimed: set[str] | None = None  # streams of the first STATE; None before it
        self._streams: dict[str, Stream] = {}  # by their names in STATE
        self.missing: list[Stream] = []

    def observe(self, value: bytes | None) -> None:
        """Receive a STATE; only the first one can be the starting state."""
        if self._claimed is not None:
            return
        self._claimed = streams_with_progress(value) if value is not None else set()
        for name, stream in self._streams.items():
            if name in self._claimed and not stream.has_records:
                self._check(stream)

    def add(self, stream: Stream, name_in_state: str) -> None:
        """Add a stream of this run, before its first record."""
        self._streams[name_in_state] = stream
        if name_in_state in (self._claimed or ()):
            self._check(stream)

    def _check(self, stream: Stream) -> None:
        # The rows of an unfinished version are in its stage.
        if stream.versions.loading is None and self._is_missing(stream):
            self.missing.append(stream)
