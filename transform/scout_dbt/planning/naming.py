"""Names of generated tables and columns: the same keys and previous names give the same result.

A name stays once it was given, since queries of people depend on it; new names avoid it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_BYTES = 63
"""The longest identifier of Postgres."""
DIGEST_DIGITS = 6
KEPT_CATEGORIES = frozenset("LNM")  # letters, numbers and the marks that belong to letters
UNNAMED = "unnamed"
RESERVED_MARK = "_"
"""The end of a name that would be a reserved word; no slug ends like that."""
WORDS = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast
    check collate collation column concurrently constraint create cross current_catalog
    current_date current_role current_schema current_time current_timestamp current_user
    default deferrable desc distinct do else end except false fetch for foreign freeze from
    full grant group having ilike in initially inner intersect into is isnull join lateral
    leading left like limit localtime localtimestamp natural not notnull null offset on only
    or order outer overlaps placing primary references returning right select session_user
    similar some symmetric system_user table tablesample then to trailing true union unique
    user using variadic verbose when where window with
"""
RESERVED_WORDS = frozenset(WORDS.split())
"""Words that have to be quoted as a column in Postgres 12 to 18: R and T of pg_get_keywords().

Some do worse than fail without quotes: ``select user`` returns the name of the role.
"""


def slug(text: str) -> str:
    """Return a text as a lower-case name without blanks and punctuation, in its own script."""
    # Lower-casing may decompose characters, hence the second normalisation.
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).lower())
    kept = (sign if unicodedata.category(sign)[0] in KEPT_CATEGORIES else "_" for sign in lowered)
    words = [word for word in "".join(kept).split("_") if word]
    name = "_".join(words) or UNNAMED
    return f"_{name}" if name[0].isdigit() else name


def unreserved(name: str) -> str:
    """Return a name that needs no quotes: a reserved word gets a mark at its end."""
    return f"{name}{RESERVED_MARK}" if name in RESERVED_WORDS else name


def shorten(name: str, key: str, *, is_taken: bool = False) -> str:
    """Return a name of at most 63 bytes; one that is cut or taken ends in a digest of its key."""
    if not is_taken and len(name.encode()) <= LONGEST_BYTES:
        return name
    suffix = f"_{hashlib.sha256(key.encode()).hexdigest()[:DIGEST_DIGITS]}"
    room = LONGEST_BYTES - len(suffix)
    return name.encode()[:room].decode(errors="ignore").rstrip("_") + suffix


def assign(
    preferred: Mapping[str, str],
    previous: Mapping[str, str] | None = None,
    reserved: Iterable[str] = (),
) -> dict[str, str]:
    """Give every key a unique name.

    Args:
        preferred: The preferred name of each key.
        previous: Names from earlier builds, by key; they are kept.
        reserved: Names that no key may have.
    """
    assigned = {key: name for key, name in (previous or {}).items() if key in preferred}
    # Names of keys that are missing now stay reserved: the key may come back.
    taken = set(reserved) | set((previous or {}).values())
    new = [key for key in preferred if key not in assigned]
    # A key that is its own preferred name goes first: phone_number before phone-number.
    for key in sorted(new, key=lambda key: (preferred[key].rstrip(RESERVED_MARK) != key, key)):
        wanted = preferred[key]
        name = shorten(wanted, key, is_taken=wanted in taken)
        attempt = 0
        while name in taken:
            attempt += 1
            name = shorten(wanted, f"{key}#{attempt}", is_taken=True)
        assigned[key] = name
        taken.add(name)
    return {key: assigned[key] for key in preferred}
