"""What a run left out: values that cannot be read, properties that no column is for, and NUL.

All are counted where they are met and named once, at the end of the run: names only, never a
value. One object serves the whole process, as the loggers do: a tap is a process per run.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from tap_common.errors import UnexpectedResponseError

log = logging.getLogger(__name__)

MOST_NAMES = 30  # named per stream
LONGEST_NAME = 80


class Omissions:
    """Counts per stream and property; any thread may add."""

    def __init__(self) -> None:
        self.is_strict = False
        """Whether a value that cannot be read is an error."""
        self._lock = threading.Lock()
        self._unreadable: Counter[tuple[str, str]] = Counter()
        self._unknown: Counter[tuple[str, str]] = Counter()
        self._characters: Counter[tuple[str, str]] = Counter()

    def value(self, stream: str, column: str) -> None:
        """Count a value that cannot be read as its column's type and becomes null.

        Raises:
            ShapeError: The setting ``strict`` is on.
        """
        if self.is_strict:
            raise UnexpectedResponseError(
                f"A value of {stream}.{column} cannot be read as its type.",
                "Set strict to false to have null instead.",
            )
        with self._lock:
            self._unreadable[stream, column] += 1

    def properties(self, stream: str, names: Iterable[str]) -> None:
        """Count the properties of a row that no column of the stream takes."""
        with self._lock:
            self._unknown.update((stream, name) for name in names)

    def characters(self, stream: str, counts: Mapping[str, int]) -> None:
        """Count the NUL characters that were removed from properties."""
        with self._lock:
            self._characters.update({(stream, name): count for name, count in counts.items()})

    def begin(self, *, is_strict: bool) -> None:
        """Begin a run."""
        self.is_strict = is_strict
        with self._lock:
            self._unreadable.clear()
            self._unknown.clear()
            self._characters.clear()

    def lines(self) -> Iterator[str]:
        """Yield what to tell at the end of a run, a line per stream and kind."""
        with self._lock:
            yield from _told(self._unreadable, "values that could not be read are null")
            yield from _told(self._unknown, "properties that have no column were left out")
            yield from _told(self._characters, "NUL characters were removed")

    def tell(self) -> None:
        """Log what was left out."""
        for line in self.lines():
            log.warning(line)


def _told(counts: Counter[tuple[str, str]], what: str) -> Iterator[str]:
    by_stream: dict[str, list[str]] = defaultdict(list)
    for (stream, name), count in counts.most_common():
        by_stream[stream].append(f"{_printable(name)} ({count})")
    for stream, named in sorted(by_stream.items()):
        more = f" and {len(named) - MOST_NAMES} more" if len(named) > MOST_NAMES else ""
        yield f"{stream}: {what}: {', '.join(named[:MOST_NAMES])}{more}"


def _printable(name: str) -> str:
    """Return a name without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in name[:LONGEST_NAME])


OMISSIONS = Omissions()
