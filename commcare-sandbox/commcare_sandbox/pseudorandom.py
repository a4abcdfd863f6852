"""Pseudo-random values, each a pure function of a seed and a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def digester(seed: int, kind: str) -> Callable[[int], bytes]:
    """Return a function that maps a record's number to 32 pseudo-random bytes."""
    keyed = blake2b(f"{seed}:{kind}:".encode(), digest_size=32)

    def digest(number: int) -> bytes:
        own = keyed.copy()
        own.update(number.to_bytes(8, "big"))
        return own.digest()

    return digest


def mix(number: int, salt: int = 0) -> int:
    """Hash a number to 32 bits; much faster than a digest."""
    mixed = ((number + salt) * _GOLDEN) & _MASK
    mixed = ((mixed ^ (mixed >> 29)) * _GOLDEN) & _MASK
    return mixed >> 32


def pick(choices: Sequence[T], byte: int) -> T:
    """Return the item that a pseudo-random byte selects."""
    return choices[byte % len(choices)]


def hex_id(seed: int, kind: str, number: int) -> str:
    """Return the id, of 32 hexadecimal digits, of the ``number``-th record of a kind."""
    return digester(seed, kind)(number)[:16].hex()
