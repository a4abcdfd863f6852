"""State that a run was started with, and that speaks of rows which the dataset schema never had.

A tap continues where its state ends. With the state of another schema, or after a table was
dropped, it brings only what is new, and all else would be missing without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from target_scout_postgres.loading.stream import Stream

# What a bookmark says besides how far a stream was read.
NO_PROGRESS = {
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


def streams_read(value: bytes) -> set[str]:
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
    return {name for name, mark in bookmarks.items() if any(_progress(mark))}


def _progress(mark: Any) -> Iterator[bool]:
    """Yield for each value of a bookmark whether it says how far a stream was read."""
    waiting = [mark]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [part for name, part in value.items() if name not in NO_PROGRESS]
        elif isinstance(value, list):
            waiting += value
        else:
            yield not isinstance(value, bool) and value not in (None, "")


class Carried:
    """What the first STATE of a run says of streams that have no record yet.

    Taps print the state that they were started with, or print one before they come to a stream; a
    bookmark that stands there before the stream's first record was not made in this run.
    """

    def __init__(self, is_missing: Callable[[Stream], bool]) -> None:
        self._is_missing = is_missing
        self._read: set[str] | None = None
        self._streams: dict[str, Stream] = {}  # by their names in the state
        self.missing: list[Stream] = []

    def look_at(self, value: bytes | None) -> None:
        """Look at a STATE; only the first one is what a run was started with."""
        if self._read is not None:
            return
        self._read = streams_read(value) if value is not None else set()
        for name, stream in self._streams.items():
            if name in self._read and not stream.has_come:
                self._compare(stream)

    def meet(self, stream: Stream, name: str) -> None:
        """Take note of a stream of this run before its first record."""
        self._streams[name] = stream
        if name in (self._read or ()):
            self._compare(stream)

    def _compare(self, stream: Stream) -> None:
        if stream.loading is None and self._is_missing(stream):
            self.missing.append(stream)
