"""Numbers that look random and are not: every value is a pure function of a seed and a number.

Nothing here knows what the numbers are used for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def digester(seed: int, kind: str) -> Callable[[int], bytes]:
    """Return a function from a record's number to 32 bytes that belong to it alone."""
    keyed = blake2b(f"{seed}:{kind}:".encode(), digest_size=32)

    def digest(number: int) -> bytes:
        own = keyed.copy()
        own.update(number.to_bytes(8, "big"))
        return own.digest()

    return digest


def mix(number: int, salt: int = 0) -> int:
    """Scatter a number over 32 bits, quickly."""
    mixed = ((number + salt) * _GOLDEN) & _MASK
    mixed = ((mixed ^ (mixed >> 29)) * _GOLDEN) & _MASK
    return mixed >> 32


def pick(choices: Sequence[T], byte: int) -> T:
    """Choose by a byte."""
    return choices[byte % len(choices)]


def hex_id(seed: int, kind: str, number: int) -> str:
    """Return the 32 hexadecimal digits that name one of a few things (a user, a place)."""
    return digester(seed, kind)(number)[:16].hex()
