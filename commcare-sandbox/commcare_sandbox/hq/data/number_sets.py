"""Subsets of the numbers 0, 1, 2 ... that can be counted and indexed without being walked."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Protocol


class NumberSet(Protocol):
    """Some of the numbers, ascending."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def count_below(self, number: int) -> int:
        """Return how many are less than ``number``."""
        ...

    def nth(self, location: int) -> int:
        """Return the one at a place."""
        ...

    def __contains__(self, number: int) -> bool: ...


class ResidueSet:
    """The numbers from ``first`` up to ``last`` whose rest by ``period`` is one of some."""

    def __init__(self, first: int, last: int, period: int, rests: Iterable[int]) -> None:
        self._first, self._last = first, max(first, last)
        self._period, self._rests = period, sorted(rests)
        self._kept = frozenset(self._rests)
        self._skipped = self._count(first)
        self.size = self._count(self._last) - self._skipped

    def count_below(self, number: int) -> int:
        """Return how many are less than ``number``."""
        return self._count(min(max(number, self._first), self._last)) - self._skipped

    def nth(self, location: int) -> int:
        """Return the one at a place."""
        unpaginated, rest = divmod(self._skipped + location, len(self._rests))
        return unpaginated * self._period + self._rests[rest]

    def __contains__(self, number: int) -> bool:
        return self._first <= number < self._last and number % self._period in self._kept

    def _count(self, number: int) -> int:
        unpaginated, rest = divmod(number, self._period)
        return unpaginated * len(self._rests) + bisect_left(self._rests, rest)


class NumberList:
    """Numbers found by looking at every record, within bounds; four bytes each."""

    def __init__(self, numbers: array[int], first: int, last: int) -> None:
        self._numbers = numbers
        self._low = bisect_left(numbers, first)
        self._high = max(bisect_left(numbers, last), self._low)
        self.size = self._high - self._low

    def count_below(self, number: int) -> int:
        """Return how many are less than ``number``."""
        return bisect_left(self._numbers, number, self._low, self._high) - self._low

    def nth(self, location: int) -> int:
        """Return the one at a place."""
        return self._numbers[self._low + location]

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._numbers, number, self._low, self._high)
        return at < self._high and self._numbers[at] == number


class Difference:
    """A view less a few of its numbers."""

    def __init__(self, numbers: NumberSet, gone: Iterable[int]) -> None:
        self._view = numbers
        self._gone = sorted(number for number in gone if number in numbers)
        self._missing = frozenset(self._gone)
        self.size = numbers.size - len(self._gone)

    def count_below(self, number: int) -> int:
        """Return how many are less than ``number``."""
        return self._view.count_below(number) - bisect_left(self._gone, number)

    def nth(self, location: int) -> int:
        """Return the one at a place."""
        for number in self._gone:
            if self._view.count_below(number) > location:
                break
            location += 1
        return self._view.nth(location)

    def __contains__(self, number: int) -> bool:
        return number in self._view and number not in self._missing


def walk(numbers: NumberSet, first: int) -> Iterator[int]:
    """Return the members from ``first`` on."""
    return (numbers.nth(location) for location in range(numbers.count_below(first), numbers.size))


def walk_by_place(numbers: NumberSet, first: int, last: int) -> Iterator[int]:
    """Return the members at the places from ``first`` to ``last`` (exclusive)."""
    return (numbers.nth(location) for location in range(first, min(last, numbers.size)))
