"""The SQL of a generated table, as a template of dbt.

Three nested queries, kept apart by ``offset 0``, which the planner does not flatten: the innermost
takes the texts out of the JSON once, the next converts them, the outermost shows the columns and
collects the texts that could not be converted in ``_scout_unreadable``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_dbt.planning import question_types
from scout_dbt.planning.question_types import CONVERSIONS
from scout_dbt.planning.record_types import RECORD_TYPES
from scout_dbt.planning.tables import Model, ValueType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_dbt.planning.record_types import BaseColumn, RecordType
    from scout_dbt.planning.tables import Column, Path, Table

UNREADABLE = "_scout_unreadable"
# XForms write a repeat group with one entry as that entry, and an empty one as a blank text.
ENTRIES = """\
cross join lateral (select {value} as x offset 0) as x{n}
cross join lateral jsonb_array_elements(
    case jsonb_typeof(x{n}.x)
        when 'array' then x{n}.x
        when 'null' then '[]'::jsonb
        when 'string' then
            case when x{n}.x #>> '{{}}' ~ '\\S' then jsonb_build_array(x{n}.x) else '[]'::jsonb end
        else jsonb_build_array(x{n}.x)
    end
) with ordinality as e{n} (item, position)"""


@dataclass(frozen=True, kw_only=True)
class SourceTable:
    """The table of a stream, as the database has it."""

    stream: str
    columns: frozenset[str]
    keys: tuple[str, ...]

    def supports(self, record_type: RecordType) -> bool:
        """Return whether tables of a record type can be generated from it."""
        base = {each.source_column for each in record_type.base_columns if each.json_key is None}
        return (
            bool(self.keys)
            and base.issuperset(self.keys)
            and record_type.required_columns <= self.columns
        )


def quote_identifier(text: str) -> str:
    """Return a name as SQL."""
    return '"' + text.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return a text as SQL in which Jinja finds no expression either."""
    if not any(sign in text for sign in "\\{}%#"):
        return "'" + text.replace("'", "''") + "'"
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    # The model is a template: braces would start an expression, even inside of a string.
    for sign in "{}%#":
        escaped = escaped.replace(sign, f"\\x{ord(sign):02x}")
    return f"E'{escaped}'"


def base_column_sql(column: BaseColumn, source: SourceTable, row: str) -> str:
    """Return the SQL of a base column, or of null where the stream does not have it."""
    if column.source_column not in source.columns:
        return f"null::{column.type}"
    value = f"{row}.{quote_identifier(column.source_column)}"
    return f"nullif({value} ->> {quote_literal(column.json_key)}, '')" if column.json_key else value


def model(table: Table, source: SourceTable) -> Model:
    """Return a table with the template that dbt fills it from."""
    record_type = RECORD_TYPES[table.record_kind]
    names = {
        each.source_column: each.name for each in record_type.base_columns if each.json_key is None
    }
    keys = {key: names[key] for key in source.keys}
    where = f"coalesce({record_type.scope_sql}, '') = {quote_literal(table.scope)}"
    relation = f"{{{{ source('{record_type.source}', '{record_type.stream}') }}}}"
    sql = "\n".join(
        [
            f"{{{{ config(materialized='scout_table', stream='{record_type.stream}', "
            f"source_keys={keys}, keys={[*keys.values(), *table.position_columns]}) }}}}",
            _query(table, record_type, source, relation, where),
        ]
    )
    return Model(table=table, sql=sql, keys=(*keys.values(), *table.position_columns))


def _query(
    table: Table, record_type: RecordType, source: SourceTable, relation: str, where: str
) -> str:
    rows = _extracted(table, record_type, source, relation, where)
    numbers = _converted(table)
    if numbers:
        values = ",\n        ".join(
            f"{CONVERSIONS[each.value_type].apply(f's._r{numbers[each.key]}')} "
            f"as _t{numbers[each.key]}"
            for each in table.columns
            if each.key in numbers
        )
        rows = f"select s.*,\n        {values}\n    from (\n{rows}\n    ) as s\n    offset 0"  # noqa: S608 - names and literals are quoted
    return f"select\n    {_shown(table, record_type, numbers)}\nfrom (\n    {rows}\n) as s\n"


def _converted(table: Table) -> dict[str, int]:
    """Number the columns that are converted: ``_r1`` is the text of the first, ``_t1`` its value.

    No column has such a name: slugs never start with an underscore and a letter.
    """
    keys = (each.key for each in table.columns if CONVERSIONS[each.value_type].sql)
    return {key: number for number, key in enumerate(keys)}


def _extracted(
    table: Table, record_type: RecordType, source: SourceTable, relation: str, where: str
) -> str:
    """Return the innermost query, which takes the texts out of the documents."""
    document = f"e{len(table.repeats)}.item" if table.repeats else "s._scout_document"
    numbers = _converted(table)
    values = [
        f"{base_column_sql(each, source, 's')} as {each.name}"
        for each in record_type.columns_of(is_secondary=table.is_secondary)
    ]
    values += [
        f"e{at}.position as {position}" for at, position in enumerate(table.position_columns, 1)
    ]
    values += [
        f"{_text(document, each)} as "
        + (f"_r{numbers[each.key]}" if each.key in numbers else quote_identifier(each.name))
        for each in table.columns
    ]
    values += [
        f"nullif(s.indices #>> {_steps(each.path)}, '') as {quote_identifier(each.name)}"
        for each in table.indices
    ]
    selected = ",\n            ".join(values)
    return "\n".join(
        [
            "        select",
            f"            {selected}",
            "        from (",
            f"            select s.*, {record_type.document_sql} || '{{}}'::jsonb "
            "as _scout_document",
            f"            from {relation} as s",
            f"            where {{{{ scout_changed('s') }}}} and {where}",
            "            offset 0",
            "        ) as s",
            _entries(table.repeats),
            "        offset 0",
        ]
    )


def _entries(repeats: Sequence[Path]) -> str:
    """Return the joins that yield the entries of nested repeat groups, without blank ones."""
    # Each level starts from the entry of the level around it, so its path is relative to that.
    lines, inside, before = [], "s._scout_document", 0
    for number, path in enumerate(repeats, start=1):
        value = f"{inside} #> {_steps(path[before:])}"
        lines.append(ENTRIES.format(value=value, n=number))
        inside, before = f"e{number}.item", len(path)
    kept = " and ".join(
        f"(jsonb_typeof(e{number}.item) = 'object' or e{number}.item #>> '{{}}' ~ '\\S')"
        for number in range(1, len(repeats) + 1)
    )
    return "\n".join([*lines, f"where {kept}"] if repeats else lines)


def _steps(path: Path) -> str:
    return (
        "array[" + ", ".join(quote_literal(step) for step in path) + "]" if path else "'{}'::text[]"
    )


def _text(document: str, column: Column) -> str:
    """Return the SQL of the text at a path, trimmed if it is converted, and null if it is empty."""
    path = column.path
    is_step = len(path) == 1
    value = (
        f"{document} -> {quote_literal(path[0])}" if is_step else f"{document} #> {_steps(path)}"
    )
    if column.value_type == ValueType.JSON:
        return f"nullif({value}, 'null'::jsonb)"
    # An element is written as its text until it has an attribute, from then on as an object.
    if column.is_element or not path:
        text = (
            f"case jsonb_typeof({value}) when 'object' then ({value}) ->> '#text' "
            f"when 'array' then null else ({value}) #>> '{{}}' end"
        )
    elif is_step:
        text = f"{document} ->> {quote_literal(path[0])}"
    else:
        text = f"{document} #>> {_steps(path)}"
    if CONVERSIONS[column.value_type].sql:
        text = f"btrim({text}, E' {question_types.BLANKS}{question_types.INVISIBLE}')"
    return f"nullif({text}, '')"


def _shown(table: Table, record_type: RecordType, numbers: Mapping[str, int]) -> str:
    """Return the columns of the table in their order."""
    base = [each.name for each in record_type.columns_of(is_secondary=table.is_secondary)]
    shown = [f"s.{name}" for name in (*base, *table.position_columns)]
    shown += [f"s.{quote_identifier(each.name)}" for each in table.indices]
    for column in table.columns:
        name, number = quote_identifier(column.name), numbers.get(column.key)
        if number is None:
            shown.append(f"s.{name}")
        elif column.value_type == ValueType.GPS:
            shown.append(f"s._r{number} as {name}")
            shown += [
                f"{question_types.gps_number(f's._t{number}', at)} as {quote_identifier(part)}"
                for at, part in enumerate(column.gps_columns)
            ]
        else:
            shown.append(f"s._t{number} as {name}")
    return ",\n    ".join([*shown, f"{_unreadable(table, numbers)} as {UNREADABLE}"])


def _unreadable(table: Table, numbers: Mapping[str, int]) -> str:
    """Return the SQL of an object with the texts that could not be converted, or of null."""
    if not numbers:
        return "null::jsonb"
    tests = [f"s._r{number} is not null and s._t{number} is null" for number in numbers.values()]
    keys = ", ".join(quote_literal(each.name) for each in table.columns if each.key in numbers)
    values = ", ".join(
        f"case when s._t{number} is null then s._r{number} end" for number in numbers.values()
    )
    # The tests come first, so that the object is built for those rows only that need it.
    return (
        f"case when {' or '.join(tests)} then "
        f"jsonb_strip_nulls(jsonb_object(array[{keys}], array[{values}]::text[])) end"
    )
