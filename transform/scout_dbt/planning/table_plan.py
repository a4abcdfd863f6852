"""Plans the tables of case types and forms: drafts them, splits wide ones, assigns names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from scout_dbt.planning import case_tables, form_tables, table_split
from scout_dbt.planning.naming import assign, unreserved
from scout_dbt.planning.question_types import GPS_PARTS
from scout_dbt.planning.record_types import RECORD_TYPES
from scout_dbt.planning.tables import ValueType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scout_dbt.planning.case_tables import CaseType
    from scout_dbt.planning.form_tables import FormType
    from scout_dbt.planning.tables import Column, Table

RESERVED_COLUMNS = frozenset({"_scout_unreadable", "position", "value"})
STREAM_TABLES = frozenset({"case_types", "form_cases", "form_definitions", "form_questions"})
"""Streams named like generated tables; a tap may load them at any time."""
SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


@dataclass(frozen=True)
class AssignedNames:
    """Names from earlier builds, by the key of the table."""

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def plan(
    case_types: Iterable[CaseType],
    form_types: Iterable[FormType],
    assigned: AssignedNames,
    reserved: Iterable[str] = (),
) -> list[Table]:
    """Return all tables of a dataset with their columns, all with unique names.

    Args:
        case_types: The case types of the dataset.
        form_types: The forms of the dataset.
        assigned: Names of earlier builds.
        reserved: Names of other tables, views and indexes of the schema.
    """
    drafts = [
        *(case_tables.draft_table(each) for each in case_types),
        *(table for each in form_types for table in form_tables.draft_tables(each)),
    ]
    tables = [part for draft in drafts for part in table_split.split(draft, assigned.columns)]
    preferred = {table.key: table.name for table in tables}
    names = assign(preferred, assigned.tables, STREAM_TABLES.union(reserved))
    return [_name_columns(replace(each, name=names[each.key]), assigned) for each in tables]


def _name_columns(table: Table, assigned: AssignedNames) -> Table:
    """Give every column a name that neither another column nor a base column has."""
    base_columns = (each.name for each in RECORD_TYPES[table.record_kind].base_columns)
    reserved = {*RESERVED_COLUMNS, *SYSTEM_COLUMNS, *base_columns, *table.position_columns}
    # Entries of a repeat group that are plain values are in a column of this name.
    if table.repeats:
        reserved.remove("value")
    preferred: dict[str, str] = {}
    for column in (*table.indices, *table.columns):
        preferred[column.key] = unreserved(column.name)
        preferred |= {key: f"{column.name}_{part}" for key, part in _gps_keys(column)}
    names = assign(preferred, assigned.columns.get(table.key), reserved)
    return replace(
        table,
        columns=tuple(_with_name(each, names) for each in table.columns),
        indices=tuple(_with_name(each, names) for each in table.indices),
    )


def _with_name(column: Column, names: Mapping[str, str]) -> Column:
    gps_columns = tuple(names[key] for key, _ in _gps_keys(column))
    return replace(column, name=names[column.key], gps_columns=gps_columns)


def _gps_keys(column: Column) -> list[tuple[str, str]]:
    """Return the keys of the columns that hold the numbers of a GPS column."""
    if column.value_type != ValueType.GPS:
        return []
    return [(f"{column.key}#{part}", part) for part in GPS_PARTS]
