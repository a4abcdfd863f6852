"""Keys for rows that the API gives none: a digest of what never changes in a row.

Rows that are alike in all of that are told apart by a counter in the API's own order, which is the
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
    """Return a digest of what identifies a row, twins aside."""
    return hashlib.sha256(msgspec.json.encode([stream, opportunity, *parts])).digest()


def record_key(digest: bytes, twins_before: int) -> str:
    """Return the key of a row as hexadecimal digits."""
    if not twins_before:
        return digest.hex()
    return hashlib.sha256(b"%s twin %d" % (digest, twins_before)).hexdigest()


class DuplicateCounter:
    """Counts equal identities within one opportunity, on disk once they are many."""

    @cached_property
    def _seen(self) -> sqlite3.Connection:
        # A database without a name lives in a bounded cache, and beyond that in a file of its own.
        seen = sqlite3.connect("", isolation_level=None)
        seen.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        seen.execute("PRAGMA journal_mode = OFF")
        seen.execute("PRAGMA synchronous = OFF")
        seen.execute("CREATE TABLE seen (identity BLOB PRIMARY KEY, twins INTEGER) WITHOUT ROWID")
        return seen

    def count(self, digest: bytes) -> int:
        """Count an identity; return how many times it came before."""
        with closing(
            self._seen.execute(
                "INSERT INTO seen VALUES (?, 0)"
                " ON CONFLICT (identity) DO UPDATE SET twins = twins + 1 RETURNING twins",
                (digest[:16],),
            )
        ) as answer:
            return int(answer.fetchone()[0])

    def close(self) -> None:
        """Forget everything."""
        if "_seen" in self.__dict__:
            self._seen.close()
