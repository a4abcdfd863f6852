"""Splits tables that exceed the limits of Postgres into parts that share their key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from scout_dbt.planning.tables import ValueType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_dbt.planning.tables import Column, Table

MAX_COLUMNS = 1460
"""Of the 1,600 that Postgres allows, without those that every table has."""
MAX_ROW_BYTES = 7000
"""A row has to fit into a page of 8 kB, with long values stored elsewhere (TOAST)."""
POINTER_BYTES = 28
"""The size in the row of a value that is stored elsewhere."""
FIXED_BYTES = {
    ValueType.INTEGER: 8,
    ValueType.DATE: 4,
    ValueType.TIMESTAMP: 8,
    ValueType.TIME: 8,
    ValueType.GPS: POINTER_BYTES + 4 * 8,
}
LONG = frozenset({ValueType.CHOICES, ValueType.JSON})
UNCONVERTED = frozenset({ValueType.TEXT, ValueType.JSON})


def split(table: Table, columns: Mapping[str, Mapping[str, str]]) -> Iterator[Table]:
    """Yield the parts of a table; a column stays in its part while there is room.

    Args:
        table: The table as if there were no limit.
        columns: Names of columns in earlier builds, by the key of their table.
    """
    parts = [_Part()]
    # Known columns come first, each into its part; new ones then fill the last part.
    previous = _previous_parts(table, columns)
    for column in sorted(table.columns, key=lambda each: previous.get(each.key, len(previous))):
        wanted = previous.get(column.key, len(parts) - 1)
        while len(parts) <= wanted or not parts[wanted].has_room(column):
            wanted += len(parts) > wanted
            if len(parts) <= wanted:
                parts.append(_Part())
        parts[wanted].add(column)
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


def _previous_parts(table: Table, columns: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    """Return the part of each column in earlier builds."""
    parts: dict[str, int] = {}
    for number in range(len(columns)):
        names = columns.get(replace(table, part=number).key)
        if names is None:
            break
        parts |= dict.fromkeys(names, number)
    return parts


@dataclass
class _Part:
    columns: list[Column] = field(default_factory=list)
    count: int = 0
    row_bytes: int = 0

    def has_room(self, column: Column) -> bool:
        return (
            self.count + _count(column) <= MAX_COLUMNS
            and self.row_bytes + _width(column) <= MAX_ROW_BYTES
        )

    def add(self, column: Column) -> None:
        self.columns.append(column)
        self.count += _count(column)
        self.row_bytes += _width(column)


def _count(column: Column) -> int:
    """Return the most columns that a value takes, including the inner layers of the query.

    A value that is converted exists beside its text until it is shown; GPS adds four numbers.
    """
    if column.value_type == ValueType.GPS:
        return 6
    return 1 if column.value_type in UNCONVERTED else 2


def _width(column: Column) -> int:
    """Return the most bytes that a value takes in the row."""
    if fixed := FIXED_BYTES.get(column.value_type):
        return fixed
    return POINTER_BYTES if column.value_type in LONG else min(column.max_bytes + 4, POINTER_BYTES)
