"""Tables of the model: columns that follow a stream's schemas, and rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from benchmarks.target_replay import values

Row = dict[str, Any]  # by column, without nulls

HOLDS = {("numeric", "bigint"), ("text", "uuid"), ("timestamptz", "date")}


@dataclass
class Columns:
    """The columns of a stream's table, and which of them hold a property's values."""

    types: dict[str, str] = field(default_factory=dict)
    of: dict[str, list[str]] = field(default_factory=dict)

    def column_for(self, name: str, kind: str, *, is_key: bool) -> tuple[str, str | None]:
        """Return the column for values of a type, and the type it was widened from.

        Columns that cannot take the values stay, and a sibling is added; but a key stays in one.
        """
        variants = self.of.setdefault(name, [])
        for column in variants:
            present = self.types[column]
            if present == kind or (present, kind) in HOLDS or (is_key and present == "text"):
                return column, None
        for column in variants:
            present = self.types[column]
            if (present, kind) in values.WIDENED or is_key:
                self.types[column] = kind if (present, kind) in values.WIDENED else "text"
                return column, present
        column = f"{name}__{kind}" if variants else name
        variants.append(column)
        self.types[column] = kind
        return column, None


@dataclass
class Rows:
    """Rows of one version of a stream."""

    all: dict[int, Row] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)  # of rows without key: which STATE
    index: dict[tuple[Any, ...], list[int]] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    _next: int = 0

    def use_key(self, columns: tuple[str, ...]) -> None:
        """Index the rows by these columns."""
        self.key = columns
        self.index = {}
        for number, row in self.all.items():
            self.index.setdefault(self.key_of(row), []).append(number)

    def key_of(self, row: Row) -> tuple[Any, ...]:
        """Return the key of a row: numbers compare by value, not by their digits."""
        return tuple(_comparable(row.get(column)) for column in self.key)

    def put(self, row: Row, filled: set[str], epoch: int) -> None:
        """Upsert a row, or append it without a key; columns that are not filled stay."""
        before = self.remove(row) if self.key else {}
        number = self._next = self._next + 1
        if self.key:
            self.index[self.key_of(row)] = [number]
        else:
            self.epochs[number] = epoch
        self.all[number] = {n: v for n, v in before.items() if n not in filled} | row

    def remove(self, row: Row) -> Row:
        """Delete the rows with a key; a table created without a key can have several.

        Returns the last of them.
        """
        last: Row = {}
        for number in self.index.pop(self.key_of(row), []):
            last = self.all.pop(number)
        return last

    def widen(self, column: str, was: str, now: str) -> None:
        """Convert the values of a column to its wider type."""
        change = values.WIDENED.get((was, now), values.as_text)
        for row in self.all.values():
            if column in row:
                row[column] = change(row[column])
        self.use_key(self.key)

    def forget_after(self, epoch: int) -> None:
        """Remove rows without a key that no STATE covers."""
        late = [number for number, of in self.epochs.items() if of > epoch]
        for number in late:
            del self.all[number]
        self.epochs.clear()


def _comparable(value: Any) -> Any:
    """Return a value that is equal where Postgres considers the originals equal."""
    if isinstance(value, str) and value[0] == "#":
        return Decimal(value[1:])  # 1.0 equals 1, and hashes as it does
    if isinstance(value, dict):
        return frozenset((name, _comparable(part)) for name, part in value.items())
    return tuple(map(_comparable, value)) if isinstance(value, list) else repr(value)
