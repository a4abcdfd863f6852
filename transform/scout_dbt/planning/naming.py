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


def slug(text: str) -> str:
    """Return a text as a lower-case name without blanks and punctuation, in its own script."""
    # Lower-casing may decompose characters, hence the second normalisation.
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).lower())
    kept = (sign if unicodedata.category(sign)[0] in KEPT_CATEGORIES else "_" for sign in lowered)
    words = [word for word in "".join(kept).split("_") if word]
    name = "_".join(words) or UNNAMED
    return f"_{name}" if name[0].isdigit() else name


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
    for key in sorted(new, key=lambda key: (preferred[key] != key, key)):
        wanted = preferred[key]
        name = shorten(wanted, key, is_taken=wanted in taken)
        attempt = 0
        while name in taken:
            attempt += 1
            name = shorten(wanted, f"{key}#{attempt}", is_taken=True)
        assigned[key] = name
        taken.add(name)
    return {key: assigned[key] for key in preferred}
