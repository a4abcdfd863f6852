"""Names of generated tables and columns. Pure: the same keys and memory give the same names.

A name, once given, stays: what is new goes around it. Knows no database and no question.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_BYTES = 63
DIGEST_DIGITS = 6
KEPT = frozenset("LNM")  # letters, numbers and the marks that belong to letters
NAMELESS = "unnamed"


def slug(text: str) -> str:
    """Return a text as a lower-case name without spaces and signs, in its own script."""
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).lower())
    kept = (sign if unicodedata.category(sign)[0] in KEPT else "_" for sign in plain)
    words = [word for word in "".join(kept).split("_") if word]
    name = "_".join(words) or NAMELESS
    return f"_{name}" if name[0].isdigit() else name


def shortened(name: str, key: str, *, is_taken: bool = False) -> str:
    """Return a name of 63 bytes at most; one that is cut or taken ends in a digest of its key."""
    if not is_taken and len(name.encode()) <= LONGEST_BYTES:
        return name
    end = f"_{hashlib.sha256(key.encode()).hexdigest()[:DIGEST_DIGITS]}"
    room = LONGEST_BYTES - len(end)
    return name.encode()[:room].decode(errors="ignore").rstrip("_") + end


def assigned(
    wishes: Mapping[str, str],
    memory: Mapping[str, str] | None = None,
    reserved: Iterable[str] = (),
) -> dict[str, str]:
    """Give every key a name of its own.

    Args:
        wishes: The wished name of each key.
        memory: Names that keys were given before; they keep them.
        reserved: Names that no key may have.
    """
    given = {key: name for key, name in (memory or {}).items() if key in wishes}
    taken = set(reserved) | set((memory or {}).values())
    new = [key for key in wishes if key not in given]
    for key in sorted(new, key=lambda key: (wishes[key] != key, key)):
        wish = wishes[key]
        name = shortened(wish, key, is_taken=wish in taken)
        attempt = 0
        while name in taken:
            attempt += 1
            name = shortened(wish, f"{key}#{attempt}", is_taken=True)
        given[key] = name
        taken.add(name)
    return {key: given[key] for key in wishes}
