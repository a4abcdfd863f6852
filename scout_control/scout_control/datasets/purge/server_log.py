"""Removes entries about an owner from logs on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from pathlib import Path

# Markers of lines in a server log that continue the previous entry.
CONTINUATIONS = (b"DETAIL:  ", b"HINT:  ", b"CONTEXT:  ", b"STATEMENT:  ", b"QUERY:  ")


def remove_entries(path: Path, pattern: re.Pattern[bytes]) -> int:
    """Remove matching entries from a log file in place; return the number of removed lines.

    In place, since a program may have the file open and append to it meanwhile.
    """
    removed = 0
    with path.open("rb") as source, path.open("r+b") as target:
        # The write position never overtakes the read position, since entries only become fewer.
        entry: list[bytes] = []
        for line in source:
            if not line.startswith(b"\t") and not any(each in line for each in CONTINUATIONS):
                removed += _write_unless_matching(target.write, entry, pattern)
                entry = []
            entry.append(line)
        removed += _write_unless_matching(target.write, entry, pattern)
        target.truncate()
    return removed


def _write_unless_matching(
    write: Callable[[bytes], int], entry: list[bytes], pattern: re.Pattern[bytes]
) -> int:
    """Write an entry unless one of its lines matches; return the number of omitted lines."""
    if any(pattern.search(line) for line in entry):
        return len(entry)
    write(b"".join(entry))
    return 0
