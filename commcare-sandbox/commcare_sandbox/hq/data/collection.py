"""Cases or forms of a domain: generated records of any number, overlaid with changes.

Record i is generated when it is read. Changed, added and odd records live in the overlay; a
changed record is removed from the generated ones. Independent of URLs and response formats.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Protocol, TypeVar

from commcare_sandbox.hq.data.sequence import TIE_EVERY, TIE_SIZE, RecordSequence
from commcare_sandbox.hq.data.sorted_sets import (
    Difference,
    NumberList,
    ResidueSet,
    SortedSet,
    iterate_from,
)
from commcare_sandbox.pseudorandom import mix

R = TypeVar("R")
Key = tuple[int, str]
Test = Callable[[R], bool]

FOREVER = 1 << 60
_LISTS_KEPT = 4


class RecordFactory(Protocol[R]):
    """Generates records, and reads and writes the fields that every record has."""

    sequence: RecordSequence
    period: int

    def generated_timestamp(self, field: str) -> Callable[[int], int]:
        """Return the function that computes a timestamp without generating the record."""
        ...

    def make(self, number: int) -> R:
        """Return record ``number``."""
        ...

    def set_indexed_on(self, record: R, timestamp: int) -> None:
        """Set a record's indexed_on."""
        ...

    def timestamp(self, record: R, field: str) -> int:
        """Return a timestamp of a record in microseconds."""
        ...

    def identifier(self, record: R) -> str:
        """Return a record's id."""
        ...


@dataclass(frozen=True)
class DateRange:
    """A range of milliseconds, both ends inclusive, of a date that orders the generated records."""

    field: str
    low: int = -FOREVER
    high: int = FOREVER


@dataclass(frozen=True)
class Query(Generic[R]):
    """Selects the records in all date ranges, with one of the residues, that pass all tests.

    ``kinds`` are rests of a number by the maker's period, None for all; ``of_kind`` says the same
    of a record. ``name`` tells two different lists of tests apart.
    """

    date_ranges: tuple[DateRange, ...] = ()
    residues: frozenset[int] | None = None
    residue_test: Test[R] | None = None
    tests: tuple[Test[R], ...] = ()
    name: str = ""


class Collection(Generic[R]):
    """All cases, or all forms, of a domain."""

    def __init__(self, maker: RecordFactory[R]) -> None:
        self._maker = maker
        self._sequence = maker.sequence
        self.edition = 0
        """Number of changes so far."""
        self._overlay: dict[str, R] = {}
        self._removed: set[int] = set()
        self._hidden: set[int] = set()
        self._reindexed: int | None = None
        self._lists: dict[tuple[str, frozenset[int] | None], array[int]] = {}

    def count(self, query: Query[R]) -> int:
        """Return the number of records."""
        return self._base(query).size + len(self._changed(query, "indexed_on"))

    def get(self, identifier: str) -> R | None:
        """Return the record with an id, if it exists."""
        if identifier in self._overlay:
            return self._overlay[identifier]
        number = self._sequence.number(identifier) if self._sequence.size else None
        if number is None or number in self._removed or number in self._hidden:
            return None
        return self._make(number)

    def page_after(self, query: Query[R], key: Key, limit: int) -> list[R]:
        """Return the records after a key (millisecond of indexed_on, id), in that order."""
        base = self._base(query)
        numbers = (
            self._in_order(base, key)
            if self._reindexed is None
            else self._in_reindexed_order(base, key)
        )
        made = ((stamp, name, self._make(number)) for stamp, name, number in numbers)
        changed = (entry for entry in self._changed(query, "indexed_on") if entry[:2] > key)
        # Both are sorted and lazy: only the records of this page are generated.
        merged = heapq.merge(made, changed, key=_first_two)
        return [record for _, _, record in islice(merged, limit)]

    def slice(self, query: Query[R], field: str, offset: int, limit: int, turn: int = 0) -> list[R]:
        """Return ``limit`` records from ``offset`` on, ordered by one field.

        With a different ``turn``, records of the same millisecond come in a different order.
        """
        base = self._base(query)
        if turn and base.size:
            everything = field == "indexed_on" and self._reindexed is not None
            base = ShuffledTies(base, turn, everything=everything)
        # Offsets need no scan: each changed record's position follows from how many generated
        # records come before it. Then generated and changed records are merged from `offset` on.
        changed = self._changed(query, field)
        starts = [base.count_below(self._find(field, entry[0])) for entry in changed]
        used = bisect_left([start + at for at, start in enumerate(starts)], offset)
        page: list[R] = []
        index = offset - used
        while len(page) < limit:
            if used < len(changed) and starts[used] <= index:
                page.append(changed[used][2])
                used += 1
            elif index < base.size:
                page.append(self._make(base.nth(index)))
                index += 1
            else:
                break
        return page

    def all(self, query: Query[R]) -> Iterator[R]:
        """Return every record in the order of (millisecond of indexed_on, id)."""
        key: Key = (-FOREVER, "")
        while page := self.page_after(query, key, 500):
            yield from page
            last = page[-1]
            key = self._maker.timestamp(last, "indexed_on") // 1000, self._maker.identifier(last)

    def put(self, record: R) -> None:
        """Insert or replace a record."""
        identifier = self._maker.identifier(record)
        # A changed record must not appear a second time as it was generated.
        self.remove(identifier)
        self._overlay[identifier] = record

    def remove(self, identifier: str) -> None:
        """Delete a record."""
        self.edition += 1
        self._overlay.pop(identifier, None)
        number = self._sequence.number(identifier) if self._sequence.size else None
        if number is not None:
            self._removed.add(number)

    def hide(self, every: int) -> set[int]:
        """Hide every Nth generated record; return their numbers."""
        numbers = set(range(every - 1, self._sequence.size, every)) - self._hidden
        self._hidden |= numbers
        return numbers

    def unhide(self, numbers: set[int]) -> None:
        """Show hidden generated records again."""
        self._hidden -= numbers

    def reindex(self, timestamp: int) -> None:
        """Set indexed_on of every record, all within one millisecond."""
        self._reindexed = timestamp
        for record in self._overlay.values():
            self._maker.set_indexed_on(record, timestamp)

    def _make(self, number: int) -> R:
        record = self._maker.make(number)
        if self._reindexed is not None:
            # Microseconds within one millisecond: the API then orders by id alone.
            self._maker.set_indexed_on(record, self._reindexed + mix(number) % 1000)
        return record

    def _find(self, field: str, millisecond: int) -> int:
        if field == "indexed_on" and self._reindexed is not None:
            return 0 if millisecond <= self._reindexed // 1000 else self._sequence.size
        return self._sequence.find(millisecond, self._maker.generated_timestamp(field))

    def _base(self, query: Query[R]) -> SortedSet:
        first, last = 0, self._sequence.size
        for date_range in query.date_ranges:
            first = max(first, self._find(date_range.field, date_range.low))
            last = min(last, self._find(date_range.field, date_range.high + 1))
        residues = (
            frozenset(range(self._maker.period)) if query.residues is None else query.residues
        )
        numbers: SortedSet
        if query.tests:
            numbers = NumberList(self._list(query, residues), first, last)
        else:
            numbers = ResidueSet(first, last, self._maker.period, residues)
        away = self._removed | self._hidden
        return Difference(numbers, away) if away else numbers

    def _list(self, query: Query[R], residues: frozenset[int]) -> array[int]:
        key = (query.name, residues)
        if key not in self._lists:
            candidates = ResidueSet(0, self._sequence.size, self._maker.period, residues)
            numbers = iterate_from(candidates, 0)
            found = array("I", (n for n in numbers if _passes(query.tests, self._maker.make(n))))
            # A client that pages through a list sends the same filters each time.
            while len(self._lists) >= _LISTS_KEPT:
                del self._lists[next(iter(self._lists))]
            self._lists[key] = found
        return self._lists[key]

    def _changed(self, query: Query[R], field: str) -> list[tuple[int, str, R]]:
        timestamp = self._maker.timestamp
        found = [
            (timestamp(record, field) // 1000, identifier, record)
            for identifier, record in self._overlay.items()
            if (query.residue_test is None or query.residue_test(record))
            and _passes(query.tests, record)
            and all(
                date_range.low <= timestamp(record, date_range.field) // 1000 <= date_range.high
                for date_range in query.date_ranges
            )
        ]
        return sorted(found, key=_first_two)

    def _in_order(self, base: SortedSet, key: Key) -> Iterator[tuple[int, str, int]]:
        sequence = self._sequence
        first = sequence.find(key[0], sequence.indexed_on)
        run: list[tuple[int, str, int]] = []
        for number in iterate_from(base, first):
            entry = (sequence.indexed_on(number) // 1000, sequence.identifier(number), number)
            # Records of one millisecond are ordered by id, and ids are not in the order of
            # numbers: collect a tie, then sort it.
            if run and entry[0] != run[0][0]:
                yield from sorted(run)
                run.clear()
            if entry[:2] > key:
                run.append(entry)
        yield from sorted(run)

    def _in_reindexed_order(self, base: SortedSet, key: Key) -> Iterator[tuple[int, str, int]]:
        sequence = self._sequence
        millisecond = (self._reindexed or 0) // 1000
        if key[0] > millisecond:
            return
        first = sequence.first_rank_after(key[1]) if key[0] == millisecond else 0
        for rank in range(first, sequence.size):
            number = sequence.at_rank(rank)
            if number in base:
                yield millisecond, sequence.identifier(number), number


class ShuffledTies:
    """A set whose ties change order, as in a search engine without a tie-breaker."""

    def __init__(self, numbers: SortedSet, turn: int, *, everything: bool) -> None:
        self._numbers, self._turn, self._everything = numbers, turn, everything
        self.size = numbers.size

    def count_below(self, number: int) -> int:
        """Return how many members are less than ``number``."""
        return self._numbers.count_below(number)

    def nth(self, index: int) -> int:
        """Return the member at an index, with ties shuffled."""
        if self._everything:
            return self._numbers.nth((index + self._turn * 7919) % self.size)
        number = self._numbers.nth(index)
        rest = number % TIE_EVERY
        tie = range(number - rest, number - rest + TIE_SIZE)
        if rest >= TIE_SIZE or not all(other in self._numbers for other in tie):
            return number
        return tie[(rest + self._turn) % TIE_SIZE]

    def __contains__(self, number: int) -> bool:
        return number in self._numbers


def _first_two(entry: tuple[int, str, object]) -> Key:
    return entry[0], entry[1]


def _passes(tests: tuple[Test[R], ...], record: R) -> bool:
    return all(test(record) for test in tests)
