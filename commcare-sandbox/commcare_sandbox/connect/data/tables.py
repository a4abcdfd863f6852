"""Rows of one kind in one opportunity: generated rows of any number, overlaid with changes.

Row number k is generated when it is read. Every row has an id that grows in insertion order,
whether or not the API shows it. Independent of URLs and response formats.
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
"""Generates the row with a number."""

FIRST_ID = 2
ID_GAP = 2
"""Generated ids are even, so that a row committed late can take a free id between two others."""


@dataclass(frozen=True)
class Ids:
    """The generated ids of one opportunity; all opportunities share one database sequence."""

    index: int
    """Index of the opportunity, from 0."""
    of: int
    """Number of opportunities."""
    size: int

    @property
    def every(self) -> range:
        """All ids, ascending."""
        first = FIRST_ID + ID_GAP * self.index
        step = ID_GAP * self.of
        return range(first, first + step * self.size, step)

    def number(self, row_id: int) -> int:
        """Return the row number of an id; inserted rows get numbers beyond the generated ones."""
        return max((row_id - FIRST_ID) // (ID_GAP * self.of), 0)


class UnknownRowError(Exception):
    """No row has this id."""


class Table:
    """All rows of one kind in one opportunity."""

    def __init__(self, ids: Ids, make: Make) -> None:
        self._ids = ids.every
        self._number = ids.number
        self._make = make
        self._changed: dict[int, Row | None] = {}
        self._inserted: list[int] = []
        self._deleted_count = 0

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self._ids) + len(self._inserted) - self._deleted_count

    def page(
        self, after: int | None, limit: int, *, reverse: bool = False
    ) -> list[tuple[int, Row]]:
        """Return the ids and rows after an id, in ascending or descending order."""
        base = (at for at in self._generated_ids(after, reverse=reverse) if self._is_shown(at))
        added = (at for at in self._inserted_ids(after, reverse=reverse) if self._is_shown(at))
        merged: Iterable[int] = base
        if self._inserted:
            merged = heapq.merge(base, added, reverse=reverse)
        return [(at, self._row(at)) for at in islice(merged, limit)]

    def all_rows(self) -> Iterator[tuple[int, Row]]:
        """Return all ids and rows, ascending."""
        after: int | None = None
        while page := self.page(after, 500):
            yield from page
            after = page[-1][0]

    def get(self, row_id: int) -> Row:
        """Return a row.

        Raises:
            UnknownRowError: No row has this id.
        """
        known = row_id in self._ids or row_id in self._changed
        if not known or not self._is_shown(row_id):
            raise UnknownRowError(f"There is no row with id {row_id}.")
        return self._row(row_id)

    def generate(self, row_id: int) -> Row:
        """Generate a row for a new id."""
        return self._make_row(row_id)

    def put(self, row_id: int, row: Row) -> None:
        """Insert or replace a row."""
        is_new = row_id not in self._ids and row_id not in self._changed
        if is_new:
            insort(self._inserted, row_id)
        self._changed[row_id] = row

    def remove(self, row_id: int) -> None:
        """Delete a row permanently."""
        self.get(row_id)
        self._changed[row_id] = None
        self._deleted_count += 1

    def _is_shown(self, row_id: int) -> bool:
        return row_id not in self._changed or self._changed[row_id] is not None

    def _row(self, row_id: int) -> Row:
        return self._changed.get(row_id) or self._make_row(row_id)

    def _make_row(self, row_id: int) -> Row:
        return self._make(self._number(row_id))

    def _generated_ids(self, after: int | None, *, reverse: bool) -> range:
        ids = self._ids
        if not reverse:
            return ids if after is None else ids[bisect_right(ids, after) :]
        return (ids if after is None else ids[: bisect_left(ids, after)])[::-1]

    def _inserted_ids(self, after: int | None, *, reverse: bool) -> list[int]:
        ids = self._inserted
        if not reverse:
            return ids if after is None else ids[bisect_right(ids, after) :]
        return (ids if after is None else ids[: bisect_left(ids, after)])[::-1]


class IdSequence:
    """The id sequence of one kind of row."""

    def __init__(self, first_free: int) -> None:
        self._next = first_free
        self._late: set[int] = set()

    def next_id(self) -> int:
        """Return the next id."""
        self._next += ID_GAP
        return self._next - ID_GAP

    def next_id_before(self, row_id: int) -> int:
        """Return a free id below another one, as a transaction that committed late has.

        Raises:
            UnknownRowError: No id below it is free.
        """
        late = row_id - 1
        while late in self._late or late % ID_GAP == 0:
            late -= 1
        if late < 1:
            raise UnknownRowError(f"There is no free id before {row_id}.")
        self._late.add(late)
        return late
