"""Counts what a run leaves out: unreadable values, unknown properties, NUL characters.

All are counted where they occur and named once at the end of the run: names only, never a value.
One object serves the whole process, as loggers do, because a tap is one process per run.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from tap_common import notices
from tap_common.errors import UnexpectedResponseError

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_NAMES = 30  # per stream
MAX_NAME_LENGTH = 80

Property = tuple[str, str]
"""A stream and one of its properties."""


class UnreadableError(ValueError):
    """A value is not of the type of its column."""


class Omissions:
    """Counts per stream and property, from any thread."""

    def __init__(self) -> None:
        self.is_strict = False
        """Whether an unreadable value is an error."""
        self._lock = threading.Lock()
        self._unreadable: Counter[Property] = Counter()
        self._unknown: Counter[Property] = Counter()
        self._characters: Counter[Property] = Counter()

    def read(self, convert: Callable[[Any], T | None], value: Any, column: Property) -> T | None:
        """Return a converted value; null if it does not have its column's type.

        Raises:
            UnexpectedResponseError: It is unreadable, and the setting ``strict`` is on.
        """
        try:
            return convert(value)
        except UnreadableError:
            self.unreadable(*column)
            return None

    def unreadable(self, stream: str, column: str) -> None:
        """Count a value that becomes null because it does not have its column's type.

        Raises:
            UnexpectedResponseError: The setting ``strict`` is on.
        """
        if self.is_strict:
            raise UnexpectedResponseError(
                f"A value of {stream}.{column} cannot be read as its type.",
                "Set strict to false to load null instead.",
            )
        with self._lock:
            self._unreadable[stream, column] += 1

    def unknown(self, stream: str, names: Iterable[str]) -> None:
        """Count the properties of a row for which the stream has no column."""
        with self._lock:
            self._unknown.update((stream, name) for name in names)

    def nul_characters(self, stream: str, counts: Mapping[str, int]) -> None:
        """Count the NUL characters that were removed from properties."""
        with self._lock:
            self._characters.update({(stream, name): count for name, count in counts.items()})

    def reset(self, *, is_strict: bool) -> None:
        """Reset all counts at the beginning of a run."""
        self.is_strict = is_strict
        with self._lock:
            self._unreadable.clear()
            self._unknown.clear()
            self._characters.clear()

    def summary(self) -> Iterator[str]:
        """Yield a line per stream and kind."""
        with self._lock:
            yield from _summary(self._unreadable, "values that could not be read are null")
            yield from _summary(self._unknown, "properties that have no column were left out")
            yield from _summary(self._characters, "NUL characters were removed")

    def log_summary(self) -> None:
        """Log what was left out."""
        for line in self.summary():
            notices.warn(log, "%s", line)


def _summary(counts: Counter[Property], what: str) -> Iterator[str]:
    by_stream: dict[str, list[str]] = defaultdict(list)
    for (stream, name), count in counts.most_common():
        by_stream[stream].append(f"{_printable(name)} ({count})")
    for stream, names in sorted(by_stream.items()):
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        yield f"{stream}: {what}: {', '.join(names[:MAX_NAMES])}{more}"


def _printable(name: str) -> str:
    """Return a name without control characters, which could control a terminal."""
    return "".join(c if c.isprintable() else "?" for c in name[:MAX_NAME_LENGTH])


OMISSIONS = Omissions()
