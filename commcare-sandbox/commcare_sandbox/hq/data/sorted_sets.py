"""Sorted sets of record numbers. Members are counted and found by index without iterating."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Protocol


class SortedSet(Protocol):
    """A set of numbers, in ascending order."""

    @property
    def size(self) -> int:
        """Number of members."""
        ...

    def count_below(self, number: int) -> int:
        """Return how many members are less than ``number``."""
        ...

    def nth(self, index: int) -> int:
        """Return the member at an index."""
        ...

    def __contains__(self, number: int) -> bool: ...


class ResidueSet:
    """The numbers in [first, last) whose remainder modulo ``period`` is one of ``rests``."""

    def __init__(self, first: int, last: int, period: int, rests: Iterable[int]) -> None:
        self._first, self._last = first, max(first, last)
        self._period, self._rests = period, sorted(rests)
        self._only = frozenset(self._rests)
        self._skipped = self._count(first)
        self.size = self._count(self._last) - self._skipped

    def count_below(self, number: int) -> int:
        """Return how many members are less than ``number``."""
        return self._count(min(max(number, self._first), self._last)) - self._skipped

    def nth(self, index: int) -> int:
        """Return the member at an index."""
        quotient, rest = divmod(self._skipped + index, len(self._rests))
        return quotient * self._period + self._rests[rest]

    def __contains__(self, number: int) -> bool:
        return self._first <= number < self._last and number % self._period in self._only

    def _count(self, number: int) -> int:
        quotient, rest = divmod(number, self._period)
        return quotient * len(self._rests) + bisect_left(self._rests, rest)


class NumberList:
    """A slice of a sorted array of numbers; four bytes per number."""

    def __init__(self, numbers: array[int], first: int, last: int) -> None:
        self._numbers = numbers
        self._low = bisect_left(numbers, first)
        self._high = max(bisect_left(numbers, last), self._low)
        self.size = self._high - self._low

    def count_below(self, number: int) -> int:
        """Return how many members are less than ``number``."""
        return bisect_left(self._numbers, number, self._low, self._high) - self._low

    def nth(self, index: int) -> int:
        """Return the member at an index."""
        return self._numbers[self._low + index]

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._numbers, number, self._low, self._high)
        return at < self._high and self._numbers[at] == number


class Difference:
    """A sorted set minus a few of its members."""

    def __init__(self, numbers: SortedSet, removed: Iterable[int]) -> None:
        self._numbers = numbers
        self._removed = sorted(number for number in removed if number in numbers)
        self._missing = frozenset(self._removed)
        self.size = numbers.size - len(self._removed)

    def count_below(self, number: int) -> int:
        """Return how many members are less than ``number``."""
        return self._numbers.count_below(number) - bisect_left(self._removed, number)

    def nth(self, index: int) -> int:
        """Return the member at an index."""
        # Each removed member at or before the index moves it by one.
        for number in self._removed:
            if self._numbers.count_below(number) > index:
                break
            index += 1
        return self._numbers.nth(index)

    def __contains__(self, number: int) -> bool:
        return number in self._numbers and number not in self._missing


def iterate_from(numbers: SortedSet, first: int) -> Iterator[int]:
    """Return the members from ``first`` on, in order."""
    return (numbers.nth(index) for index in range(numbers.count_below(first), numbers.size))
