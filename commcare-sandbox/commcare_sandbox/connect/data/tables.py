"""Rows of one kind in one opportunity: a generated base of any size, and an overlay of changes.

Row number k of the base is made when it is asked for. Every row has an id, shown or not, that
grows with the order of insertion. It knows no URL and no wire format.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

Row = dict[str, Any]
Make = Callable[[int], Row]
"""Make the row that has a number in the base."""

FIRST_ID = 2
ID_GAP = 2
"""Ids of the base are even, so that a late row finds a free id between two others."""


@dataclass(frozen=True)
class Ids:
    """The ids of a base: those of one opportunity among several, as one database sequence."""

    place: int
    """Which of the opportunities, from 0."""
    of: int
    """How many opportunities there are."""
    size: int

    @property
    def every(self) -> range:
        """All ids, ascending."""
        first = FIRST_ID + ID_GAP * self.place
        step = ID_GAP * self.of
        return range(first, first + step * self.size, step)

    def number(self, row_id: int) -> int:
        """Return the number of the row with an id; new rows get numbers beyond the base."""
        return max((row_id - FIRST_ID) // (ID_GAP * self.of), 0)


class UnknownRowError(Exception):
    """There is no row with such an id."""


class Table:
    """All rows of one kind in one opportunity."""

    def __init__(self, ids: Ids, make: Make) -> None:
        self._ids = ids.every
        self._number = ids.number
        self._make = make
        self._changed: dict[int, Row | None] = {}
        self._added: list[int] = []
        self._gone = 0

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self._ids) + len(self._added) - self._gone

    def page(
        self, after: int | None, limit: int, *, reverse: bool = False
    ) -> list[tuple[int, Row]]:
        """Return ids and rows that follow an id, in ascending or descending order."""
        base = (at for at in self._base(after, reverse=reverse) if self._is_shown(at))
        added = (at for at in self._later(after, reverse=reverse) if self._is_shown(at))
        merged: Iterable[int] = base
        if self._added:
            merged = heapq.merge(base, added, reverse=reverse)
        return [(at, self._row(at)) for at in islice(merged, limit)]

    def everything(self) -> Iterator[tuple[int, Row]]:
        """Return all ids and rows, ascending."""
        after: int | None = None
        while page := self.page(after, 500):
            yield from page
            after = page[-1][0]

    def get(self, row_id: int) -> Row:
        """Return a row.

        Raises:
            UnknownRowError: There is none with this id.
        """
        known = row_id in self._ids or row_id in self._changed
        if not known or not self._is_shown(row_id):
            raise UnknownRowError(f"There is no row with id {row_id}.")
        return self._row(row_id)

    def fresh(self, row_id: int) -> Row:
        """Make the row that belongs to a new id."""
        return self._make_row(row_id)

    def put(self, row_id: int, row: Row) -> None:
        """Add a row, or replace the one with its id."""
        is_new = row_id not in self._ids and row_id not in self._changed
        if is_new:
            insort(self._added, row_id)
        self._changed[row_id] = row

    def remove(self, row_id: int) -> None:
        """Remove a row for good."""
        self.get(row_id)
        self._changed[row_id] = None
        self._gone += 1

    def _is_shown(self, row_id: int) -> bool:
        return row_id not in self._changed or self._changed[row_id] is not None

    def _row(self, row_id: int) -> Row:
        return self._changed.get(row_id) or self._make_row(row_id)

    def _make_row(self, row_id: int) -> Row:
        return self._make(self._number(row_id))

    def _base(self, after: int | None, *, reverse: bool) -> range:
        ids = self._ids
        if not reverse:
            return ids if after is None else ids[bisect_right(ids, after) :]
        return (ids if after is None else ids[: bisect_left(ids, after)])[::-1]

    def _later(self, after: int | None, *, reverse: bool) -> list[int]:
        ids = self._added
        if not reverse:
            return ids if after is None else ids[bisect_right(ids, after) :]
        return (ids if after is None else ids[: bisect_left(ids, after)])[::-1]


class Counter:
    """The database sequence of one kind of row."""

    def __init__(self, first_free: int) -> None:
        self._next = first_free
        self._late: set[int] = set()

    def take(self) -> int:
        """Return the next id."""
        self._next += ID_GAP
        return self._next - ID_GAP

    def take_before(self, row_id: int) -> int:
        """Return a free id below another: that of a row whose transaction ended late.

        Raises:
            UnknownRowError: There is none.
        """
        late = row_id - 1
        while late in self._late or late % ID_GAP == 0:
            late -= 1
        if late < 1:
            raise UnknownRowError(f"There is no free id before {row_id}.")
        self._late.add(late)
        return late
