"""Maps record numbers to timestamps and ids, and back, by arithmetic alone.

Timestamps never decrease with the number, and ids are spread by an invertible permutation. So
ranges of time, order by id and look-up by id need neither an index nor memory, whatever the
number of records.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

from commcare_sandbox.hq.data import timestamps
from commcare_sandbox.pseudorandom import digester, mix

START = timestamps.read("2023-02-01T05:30:00")
END = timestamps.read("2026-03-01T00:00:00")
TIE_EVERY, TIE_SIZE = 97, 5
"""Of every 97 records, the first five share one millisecond."""

_NEAR = 8  # largest distance of a record from the position its timestamp implies
_COMPACT_EVERY, _COMPACT = 25, 11
_NO_FRACTION_EVERY, _NO_FRACTION = 41, 7
_NO_ZONE_EVERY, _NO_ZONE = 43, 9


class RecordSequence:
    """Numbers, ids and timestamps of one kind of record."""

    def __init__(self, seed: int, kind: str, size: int) -> None:
        self.size = size
        self._salt = mix(seed, sum(kind.encode()))
        self.digest = digester(seed, kind)
        self._step = (END - START) // max(size, 1)
        self._factor = _coprime(size)
        self._inverse = pow(self._factor, -1, size) if size > 1 else 0

    def indexed_on(self, number: int) -> int:
        """Return indexed_on in microseconds; never less than the previous record's."""
        rest = number % TIE_EVERY
        anchor = number - rest if rest < TIE_SIZE else number
        # The jitter is less than a step, so that timestamps never decrease.
        stamp = START + anchor * self._step + mix(anchor, self._salt) % (self._step // 2)
        # Members of a tie share the millisecond and differ in microseconds.
        if anchor != number or rest == 0:
            return stamp - stamp % 1000 + mix(number, 5) % 1000
        if number % _NO_FRACTION_EVERY == _NO_FRACTION:
            return stamp - stamp % timestamps.SECOND
        return stamp

    def timestamp_style(self, number: int) -> int:
        """Return the timestamp style of a record."""
        if number % TIE_EVERY < TIE_SIZE:
            return timestamps.NORMAL
        if number % _NO_FRACTION_EVERY == _NO_FRACTION:
            return timestamps.NO_FRACTION
        if number % _NO_ZONE_EVERY == _NO_ZONE:
            return timestamps.NO_ZONE
        return timestamps.NORMAL

    def lag(self, number: int, longest: int) -> int:
        """Return by how many microseconds another timestamp of a record is earlier.

        Whole milliseconds, and the same for all records of a tie: so ties remain ties.
        """
        rest = number % TIE_EVERY
        anchor = number - rest if rest < TIE_SIZE else number
        most = min(longest, self._step // 8) // 1000
        return 1000 * (1 + mix(anchor, self._salt + longest) % most)

    def find(self, millisecond: int, timestamp: Callable[[int], int]) -> int:
        """Return the first number whose timestamp is at or after a millisecond.

        Args:
            millisecond: Since 1970.
            timestamp: Computes ``indexed_on`` in microseconds, or that less at most two lags.
        """
        # Start just before the position that the timestamp implies, instead of a binary search.
        guess = (millisecond * 1000 - START) // self._step
        number = min(max(guess - _NEAR, 0), self.size)
        while number < self.size and timestamp(number) // 1000 < millisecond:
            number += 1
        return number

    def rank(self, number: int) -> int:
        """Return the position of a record in the order by id."""
        return number * self._factor % self.size

    def at_rank(self, rank: int) -> int:
        """Return the number of the record at a position in the order by id."""
        return rank * self._inverse % self.size

    def identifier(self, number: int) -> str:
        """Return the id of a record: a UUID, with or without dashes."""
        # The first 32 bits grow with the rank: so rank and id have the same order, and the rank
        # can be computed from the id.
        head = (self.rank(number) << 32) // self.size
        tail = self.digest(number)[:12].hex()
        if number % _COMPACT_EVERY == _COMPACT:
            return f"{head:08x}{tail}"
        return f"{head:08x}-{tail[:4]}-4{tail[5:8]}-a{tail[9:12]}-{tail[12:]}"

    def number(self, identifier: str) -> int | None:
        """Return the number of the record with an id, if it exists."""
        try:
            head = int(identifier[:8], 16)
        except ValueError:
            return None
        rank = -(-head * self.size >> 32)  # rounded up: the inverse of the rounding above
        if not 0 <= rank < self.size:
            return None
        number = self.at_rank(rank)
        return number if self.identifier(number) == identifier else None

    def first_rank_after(self, identifier: str) -> int:
        """Return the first position in the order by id after an id."""
        low, high = 0, self.size
        while low < high:
            middle = (low + high) // 2
            if self.identifier(self.at_rank(middle)) <= identifier:
                low = middle + 1
            else:
                high = middle
        return low


def _coprime(size: int) -> int:
    # Near the golden ratio, successive multiples modulo size are spread evenly.
    factor = max(int(size * 0.6180339887), 1)
    while gcd(factor, size) > 1:
        factor += 1
    return factor
