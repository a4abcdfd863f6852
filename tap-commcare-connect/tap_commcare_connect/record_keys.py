"""Keys for rows without an id in the API: a digest of the values in a row that never change.

Rows that are equal in all of that are distinguished by a counter, in the API's order, which is the
order of insertion. See docs/decisions/0011-record-key.md.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from typing import Any

import msgspec

_CACHE_KIB = 2048


def identity(stream: str, opportunity: int, parts: Sequence[Any]) -> bytes:
    """Return a digest of the identifying values of a row; duplicates have the same digest."""
    return hashlib.sha256(msgspec.json.encode([stream, opportunity, *parts])).digest()


def record_key(digest: bytes, duplicates_before: int) -> str:
    """Return the key of a row as hexadecimal digits."""
    if not duplicates_before:
        return digest.hex()
    return hashlib.sha256(b"%s twin %d" % (digest, duplicates_before)).hexdigest()


class DuplicateCounter:
    """Counts equal identities within one opportunity; on disk if there are many."""

    @cached_property
    def _counts(self) -> sqlite3.Connection:
        # A database without a name is kept in a bounded cache, and beyond that in a temporary file.
        counts = sqlite3.connect("", isolation_level=None)
        counts.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        counts.execute("PRAGMA journal_mode = OFF")
        counts.execute("PRAGMA synchronous = OFF")
        counts.execute("CREATE TABLE seen (identity BLOB PRIMARY KEY, again INTEGER) WITHOUT ROWID")
        return counts

    def count(self, digest: bytes) -> int:
        """Count an identity, and return how many times it came before."""
        with closing(
            self._counts.execute(
                "INSERT INTO seen VALUES (?, 0)"
                " ON CONFLICT (identity) DO UPDATE SET again = again + 1 RETURNING again",
                (digest[:16],),  # half of it: 128 bits do not collide, and the file is smaller
            )
        ) as result:
            return int(result.fetchone()[0])

    def close(self) -> None:
        """Discard the counts."""
        if "_counts" in self.__dict__:
            self._counts.close()
