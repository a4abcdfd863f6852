"""Sibling columns: for values of a property that do not fit into its own column.

A sibling is named after the property and the type of its values (`age__text`), and its comment
holds the property's name. Only decides; `schema_manager` adds the columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_scout_postgres.errors import SchemaError
from target_scout_postgres.postgres.identifiers import identifier

if TYPE_CHECKING:
    from target_scout_postgres.postgres.schema_snapshot import Table

MAX_SIBLINGS = 20  # of one type; if more are needed, the data has no stable types


def _names(name: str, type_: str) -> list[str]:
    first = f"{name}__{type_}"
    return [identifier(first), *(identifier(f"{first}_{n}") for n in range(2, MAX_SIBLINGS))]


def belongs_to_other(table: Table, column: str, name: str) -> bool:
    """Return whether a column is a sibling that holds another property's values."""
    other = table.comments.get(column)
    return other not in (None, name) and _is_sibling(table, column, other or "")


def _is_sibling(table: Table, column: str, name: str) -> bool:
    type_ = table.writable_type(column)
    return type_ is not None and column in _names(name, type_)


def columns_of(table: Table, name: str) -> list[str]:
    """Return all columns that hold values of a property, if there are siblings."""
    columns = [column for column, comment in table.comments.items() if comment == name]
    columns = [column for column in columns if _is_sibling(table, column, name)]
    own_column = identifier(name)
    is_own = table.writable_type(own_column) and not belongs_to_other(table, own_column, name)
    if columns and is_own:
        columns.append(own_column)
    return columns


def choose(table: Table, name: str, type_: str, taken: set[str]) -> str:
    """Return the sibling column of this type for a property, which may have to be added."""
    for column in _names(name, type_):
        holds_it = table.comments.get(column) == name and table.writable_type(column) == type_
        if holds_it or (column not in table.columns and column not in taken):
            return column
    raise SchemaError(f"{table.name}: the property {name} has changed its type too often.")
