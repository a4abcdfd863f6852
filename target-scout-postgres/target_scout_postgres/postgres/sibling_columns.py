"""Sibling columns: where values of a property go that its own column cannot take.

A sibling is named after the property and the type of its values, `age__text`; its comment holds the
property's name. Only decides; `tables` makes the columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_scout_postgres.errors import SchemaError
from target_scout_postgres.postgres.identifiers import identifier
from target_scout_postgres.postgres.schema_snapshot import COMPUTED

if TYPE_CHECKING:
    from target_scout_postgres.postgres.schema_snapshot import Table

MOST = 20  # siblings of one type that a property may have before we give up


def _names(name: str, kind: str) -> list[str]:
    first = f"{name}__{kind}"
    return [identifier(first), *(identifier(f"{first}_{n}") for n in range(2, MOST))]


def is_one(table: Table, column: str, name: str) -> bool:
    """Tell whether a column is a sibling that holds another property's values."""
    other = table.comments.get(column)
    if other is None or other == name:
        return False
    return column in _names(other, table.columns[column])


def columns_of(table: Table, name: str) -> list[str]:
    """Return all columns that hold values of a property."""
    found = [
        column
        for column, comment in table.comments.items()
        if comment == name and column in _names(name, table.columns.get(column, ""))
    ]
    base = identifier(name)
    if found and base in table.columns and not is_one(table, base, name):
        found.append(base)
    return [column for column in found if not table.columns[column].startswith(COMPUTED)]


def column_for(table: Table, name: str, kind: str, taken: set[str]) -> str:
    """Return the sibling column of this type for a property."""
    for column in _names(name, kind):
        is_ours = table.comments.get(column) == name and table.columns.get(column) == kind
        if is_ours or (column not in table.columns and column not in taken):
            return column
    raise SchemaError(f"{table.name}: the property {name} has changed its type too often.")
