"""Converts names of streams and properties to Postgres identifiers.

Postgres keeps 63 bytes of a name. A name that fits is kept as it is, whatever its characters: every
identifier is quoted. Any other name is cut at a character and gets a digest of the whole name, so
that names with a common beginning stay distinct. The result depends on the name alone, hence is the
same in every run. Pure.
"""

from __future__ import annotations

import re
from enum import StrEnum
from hashlib import blake2b

MAX_BYTES = 63
DIGEST_CHARACTERS = 10
# Columns that every Postgres table has: no other column may have such a name.
SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
INTERNAL_PREFIX = "_scout_"
# A name that looks like a result of `shortened` could be equal to one.
LOOKS_SHORTENED = re.compile(rf"_[0-9a-f]{{{DIGEST_CHARACTERS}}}\Z")
MAX_CHARACTER_BYTES = 4


class Internal(StrEnum):
    """The kinds of relations that the target makes to serve a stream's table."""

    STAGE = "new"
    WITHHELD = "held"
    BATCH = "batch"
    KEY = "key"
    INDEX = "index"


def digest(text: str, characters: int = DIGEST_CHARACTERS) -> str:
    """Return the first hexadecimal characters of a digest of the text."""
    return blake2b(text.encode("utf-8", "surrogatepass")).hexdigest()[:characters]


def shortened(name: str) -> str:
    """Return the beginning of a name and a digest of the whole."""
    room = MAX_BYTES - DIGEST_CHARACTERS - 1
    head = name.replace("\x00", "?").encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return f"{head}_{digest(name)}"


def identifier(name: str) -> str:
    """Return the column or table name for a property or stream.

    Different names give different identifiers: a name is kept only if no shortened name can be
    equal to it.
    """
    encoded = name.encode("utf-8", "replace")
    is_kept = (
        0 < len(encoded) <= MAX_BYTES
        and "\x00" not in name
        and not any("\ud800" <= character <= "\udfff" for character in name)
        and name not in SYSTEM_COLUMNS
        and not name.startswith(INTERNAL_PREFIX)
        and not (LOOKS_SHORTENED.search(name) and _may_be_shortened(name, encoded))
    )
    return name if is_kept else shortened(name)


def _may_be_shortened(name: str, encoded: bytes) -> bool:
    """Return whether `shortened` can give this name, which ends like a digest."""
    head = name[: -DIGEST_CHARACTERS - 1]
    return (
        len(encoded) > MAX_BYTES - MAX_CHARACTER_BYTES
        or head in SYSTEM_COLUMNS
        or head.startswith(INTERNAL_PREFIX)
        or not head
        or "?" in head
    )


def internal_name(kind: Internal, table: str) -> str:
    """Return the name of an internal relation that serves a table."""
    return f"{INTERNAL_PREFIX}{kind}_{digest(table, 16)}"


def is_internal(kind: Internal, name: str) -> bool:
    """Return whether a relation is an internal one of this kind, not a stream with a like name."""
    return re.fullmatch(rf"{INTERNAL_PREFIX}{kind}_[0-9a-f]{{16}}", name) is not None
