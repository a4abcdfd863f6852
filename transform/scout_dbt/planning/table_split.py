"""Cuts tables that Postgres could not hold into parts that share their key. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_dbt.planning.tables import Column, Table

MOST_COLUMNS = 1460  # of 1,600 that Postgres allows, with room for those that every table has
MOST_BYTES = 7000  # a row of Postgres fits into one page, whatever is moved out of it
POINTER_BYTES = 28  # what a long value leaves in the row
FIXED_BYTES = {"integer": 8, "date": 4, "moment": 8, "time": 8, "place": POINTER_BYTES + 4 * 8}
LONG = frozenset({"choices", "json"})
UNREAD = frozenset({"text", "json"})


def cut(table: Table, columns: Mapping[str, Mapping[str, str]]) -> Iterator[Table]:
    """Yield the parts of a table; a column stays in the part that it is in, if that holds it.

    Args:
        table: The table as if there were no limit.
        columns: Names that columns were given before, by the key of their table.
    """
    parts = [_Part()]
    home = _homes(table, columns)
    for column in sorted(table.columns, key=lambda column: home.get(column.key, len(home))):
        wanted = home.get(column.key, len(parts) - 1)
        while len(parts) <= wanted or not parts[wanted].has_room(column):
            wanted += len(parts) > wanted
            if len(parts) <= wanted:
                parts.append(_Part())
        parts[wanted].take(column)
    for number, part in enumerate(parts):
        yield replace(
            table,
            name=table.name if number == 0 else f"{table.name}__part_{number + 1}",
            part=number,
            columns=tuple(part.columns),
            indices=table.indices if number == 0 else (),
            comment=table.comment
            + (f" Part {number + 1} of {len(parts)}: join them by key." if len(parts) > 1 else ""),
        )


def _homes(table: Table, columns: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    """Return the part that each column was in before."""
    homes: dict[str, int] = {}
    for number in range(len(columns)):
        names = columns.get(replace(table, part=number).key)
        if names is None:
            break
        homes |= dict.fromkeys(names, number)
    return homes


@dataclass
class _Part:
    """Columns that fit into one table of Postgres."""

    columns: list[Column] = field(default_factory=list)
    count: int = 0
    bytes: int = 0

    def has_room(self, column: Column) -> bool:
        return (
            self.count + _count(column) <= MOST_COLUMNS
            and self.bytes + _width(column) <= MOST_BYTES
        )

    def take(self, column: Column) -> None:
        self.columns.append(column)
        self.count += _count(column)
        self.bytes += _width(column)


def _count(column: Column) -> int:
    """Return how many columns a value takes at most: it exists as text, too, while it is read."""
    if column.answer == "place":
        return 6
    return 1 if column.answer in UNREAD else 2


def _width(column: Column) -> int:
    """Return how many bytes a value takes at most."""
    if fixed := FIXED_BYTES.get(column.answer):
        return fixed
    return POINTER_BYTES if column.answer in LONG else min(column.widest + 4, POINTER_BYTES)
