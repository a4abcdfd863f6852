"""From what is known of case types and forms to tables: cut, and with names that stay. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from scout_dbt.planning import case_tables, form_tables, table_split
from scout_dbt.planning.naming import assigned
from scout_dbt.planning.question_types import PLACE_PARTS
from scout_dbt.planning.record_types import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scout_dbt.planning.case_tables import CaseType
    from scout_dbt.planning.form_tables import FormType
    from scout_dbt.planning.tables import Column, Table

OWN_COLUMNS = frozenset({"_scout_unreadable", "position", "value"})
# Tables that a tap may load at any time, named like generated ones.
STREAMS = frozenset({"case_types", "form_cases", "form_definitions", "form_questions"})
SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})  # of Postgres


@dataclass(frozen=True)
class Memory:
    """Names that were given before, by the key of the table."""

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def plan(
    case_types: Iterable[CaseType],
    form_types: Iterable[FormType],
    memory: Memory,
    reserved: Iterable[str] = (),
) -> list[Table]:
    """Return all tables of a dataset, named and with their columns."""
    drafts = [
        *(case_tables.draft(each) for each in case_types),
        *(table for each in form_types for table in form_tables.drafts(each)),
    ]
    tables = [part for draft in drafts for part in table_split.cut(draft, memory.columns)]
    wishes = {table.key: table.name for table in tables}
    names = assigned(wishes, memory.tables, STREAMS.union(reserved))
    return [_named(replace(each, name=names[each.key]), memory) for each in tables]


def _named(table: Table, memory: Memory) -> Table:
    """Give every column a name of its own, that of no fact either."""
    facts = (fact.name for fact in KINDS[table.kind].facts)
    reserved = {*OWN_COLUMNS, *SYSTEM_COLUMNS, *facts, *table.positions}
    if table.repeats:
        reserved.remove("value")
    wishes: dict[str, str] = {}
    for column in (*table.indices, *table.columns):
        wishes[column.key] = column.name
        if column.answer == "place":
            wishes |= {key: f"{column.name}_{part}" for key, part in _places(column)}
    names = assigned(wishes, memory.columns.get(table.key), reserved)
    return replace(
        table,
        columns=tuple(_with_name(each, names) for each in table.columns),
        indices=tuple(_with_name(each, names) for each in table.indices),
    )


def _with_name(column: Column, names: Mapping[str, str]) -> Column:
    given = tuple(names[key] for key, _ in _places(column)) if column.answer == "place" else ()
    return replace(column, name=names[column.key], parts=given)


def _places(column: Column) -> list[tuple[str, str]]:
    """Return keys of the columns that the numbers of a place have."""
    return [(f"{column.key}#{part}", part) for part in PLACE_PARTS]
