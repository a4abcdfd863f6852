"""How names of streams and properties become names of Postgres, in one function.

Postgres keeps 63 bytes of a name. A name that fits is kept as it is, whatever its letters: every
identifier is quoted. Any other name is cut at a character, and a digest of the whole name is put
behind it, so that names that begin alike stay apart. The result depends on the name alone, hence
is the same in every run. Nothing here knows a database.
"""

from __future__ import annotations

import re
from hashlib import blake2b

LONGEST_BYTES = 63
DIGEST_HEX = 10
# Columns that every table of Postgres has: no other column may be called so.
SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
OWN_PREFIX = "_scout_"
# A name that looks like a result of `shortened` might be equal to one.
LOOKS_SHORTENED = re.compile(rf"_[0-9a-f]{{{DIGEST_HEX}}}\Z")
LONGEST_CHARACTER_BYTES = 4


def digest(text: str, characters: int = DIGEST_HEX) -> str:
    """Return the first hexadecimal characters of a digest of the text."""
    return blake2b(text.encode("utf-8", "surrogatepass")).hexdigest()[:characters]


def shortened(name: str) -> str:
    """Return the head of a name and a digest of the whole."""
    room = LONGEST_BYTES - DIGEST_HEX - 1
    head = name.replace("\x00", "?").encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return f"{head}_{digest(name)}"


def identifier(name: str) -> str:
    """Return the column or table name for a property or stream.

    Different names give different identifiers: a name is kept only if no shortened name can be
    equal to it.
    """
    encoded = name.encode("utf-8", "replace")
    kept = (
        0 < len(encoded) <= LONGEST_BYTES
        and "\x00" not in name
        and not any("\ud800" <= character <= "\udfff" for character in name)
        and name not in SYSTEM_COLUMNS
        and not name.startswith(OWN_PREFIX)
        and not (LOOKS_SHORTENED.search(name) and _may_be_shortened(name, encoded))
    )
    return name if kept else shortened(name)


def _may_be_shortened(name: str, encoded: bytes) -> bool:
    """Tell whether a name with a digest at its end could have come out of `shortened`."""
    head = name[: -DIGEST_HEX - 1]
    return (
        len(encoded) > LONGEST_BYTES - LONGEST_CHARACTER_BYTES
        or head in SYSTEM_COLUMNS
        or head.startswith(OWN_PREFIX)
        or not head
        or "?" in head
    )


def own(kind: str, table: str) -> str:
    """Return the name of a relation of our own that serves a table: a stage, an index."""
    return f"{OWN_PREFIX}{kind}_{digest(table, 16)}"


def is_own(kind: str, name: str) -> bool:
    """Return whether a relation is one of our own of a kind, and not of a stream called alike."""
    return re.fullmatch(rf"{OWN_PREFIX}{kind}_[0-9a-f]{{16}}", name) is not None
