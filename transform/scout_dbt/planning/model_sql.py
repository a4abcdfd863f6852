"""The SQL of a generated table, and of what it is generated from. Pure text.

Three layers, kept apart by ``offset 0``: texts are taken out of the JSON once, read as what they
shall be, and what could not be read is kept by column in ``_scout_unreadable``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_dbt.planning import question_types
from scout_dbt.planning.record_types import KINDS
from scout_dbt.planning.tables import Model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_dbt.planning.record_types import Fact, Kind
    from scout_dbt.planning.tables import Column, Path, Table

UNREADABLE = "_scout_unreadable"
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
class Source:
    """The table of a stream, as it is in the database."""

    stream: str
    columns: frozenset[str]
    keys: tuple[str, ...]

    def holds(self, kind: Kind) -> bool:
        """Tell whether tables of a kind can be made of it."""
        known = {fact.column for fact in kind.facts if fact.step is None}
        return bool(self.keys) and known.issuperset(self.keys) and kind.needs <= self.columns


def name(text: str) -> str:
    """Return a name as SQL."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL that means nothing to Jinja either."""
    if not any(sign in text for sign in "\\{}%#"):
        return "'" + text.replace("'", "''") + "'"
    plain = text.replace("\\", "\\\\").replace("'", "''")
    for sign in "{}%#":
        plain = plain.replace(sign, f"\\x{ord(sign):02x}")
    return f"E'{plain}'"


def fact_of(fact: Fact, source: Source, row: str) -> str:
    """Return the SQL of a fact of a row, or of nothing when the stream has no such column."""
    if fact.column not in source.columns:
        return f"null::{fact.type}"
    value = f"{row}.{name(fact.column)}"
    return f"nullif({value} ->> {literal(fact.step)}, '')" if fact.step else value


def model(table: Table, source: Source) -> Model:
    """Return a table together with the SQL that fills it; the SQL is a template of dbt."""
    kind = KINDS[table.kind]
    called = {fact.column: fact.name for fact in kind.facts if fact.step is None}
    keys = {key: called[key] for key in source.keys}
    where = f"coalesce({kind.scope}, '') = {literal(table.scope)}"
    origin = f"{{{{ source('{kind.source}', '{kind.stream}') }}}}"
    body = "\n".join(
        [
            f"{{{{ config(materialized='scout_table', stream='{kind.stream}', "
            f"source_keys={keys}, keys={[*keys.values(), *table.positions]}) }}}}",
            _query(table, kind, source, origin, where),
        ]
    )
    return Model(table=table, sql=body, keys=(*keys.values(), *table.positions))


def _query(table: Table, kind: Kind, source: Source, origin: str, where: str) -> str:
    rows = _rows(table, kind, source, origin, where)
    numbers = _numbers(table)
    if numbers:
        read = ",\n        ".join(
            f"{question_types.ANSWERS[each.answer].read(f's._r{numbers[each.key]}')} "
            f"as _t{numbers[each.key]}"
            for each in table.columns
            if each.key in numbers
        )
        rows = f"select s.*,\n        {read}\n    from (\n{rows}\n    ) as s\n    offset 0"  # noqa: S608 - quoted by name() and literal()
    return f"select\n    {_shown(table, kind, numbers)}\nfrom (\n    {rows}\n) as s\n"


def _numbers(table: Table) -> dict[str, int]:
    """Number the columns that are read as something else; ``_r`` is the text, ``_t`` what it is."""
    typed = (each.key for each in table.columns if question_types.ANSWERS[each.answer].sql)
    return {key: number for number, key in enumerate(typed)}


def _rows(table: Table, kind: Kind, source: Source, origin: str, where: str) -> str:
    """Return the layer that takes the texts out of the documents."""
    document = f"e{len(table.repeats)}.item" if table.repeats else "s._scout_document"
    numbers = _numbers(table)
    shown = [
        f"{fact_of(fact, source, 's')} as {fact.name}"
        for fact in kind.facts_of(is_lesser=table.is_lesser)
    ]
    shown += [f"e{at}.position as {position}" for at, position in enumerate(table.positions, 1)]
    shown += [
        f"{_text(document, each)} as "
        + (f"_r{numbers[each.key]}" if each.key in numbers else name(each.name))
        for each in table.columns
    ]
    shown += [
        f"nullif(s.indices #>> {_steps(each.path)}, '') as {name(each.name)}"
        for each in table.indices
    ]
    values = ",\n            ".join(shown)
    return "\n".join(
        [
            "        select",
            f"            {values}",
            "        from (",
            f"            select s.*, {kind.document} || '{{}}'::jsonb as _scout_document",
            f"            from {origin} as s",
            f"            where {{{{ scout_changed('s') }}}} and {where}",
            "            offset 0",
            "        ) as s",
            _entries(table.repeats),
            "        offset 0",
        ]
    )


def _entries(repeats: Sequence[Path]) -> str:
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
    return "array[" + ", ".join(literal(step) for step in path) + "]" if path else "'{}'::text[]"


def _text(document: str, column: Column) -> str:
    """Return the SQL of what stands at a path."""
    path = column.path
    is_step = len(path) == 1
    value = f"{document} -> {literal(path[0])}" if is_step else f"{document} #> {_steps(path)}"
    if column.answer == "json":
        return f"nullif({value}, 'null'::jsonb)"
    if column.is_tree or not path:
        text = (
            f"case jsonb_typeof({value}) when 'object' then ({value}) ->> '#text' "
            f"when 'array' then null else ({value}) #>> '{{}}' end"
        )
    elif is_step:
        text = f"{document} ->> {literal(path[0])}"
    else:
        text = f"{document} #>> {_steps(path)}"
    if question_types.ANSWERS[column.answer].sql:
        text = f"btrim({text}, E' {question_types.BLANKS}{question_types.MARKS}')"
    return f"nullif({text}, '')"


def _shown(table: Table, kind: Kind, numbers: Mapping[str, int]) -> str:
    """Return the columns of the table in their order."""
    facts = [fact.name for fact in kind.facts_of(is_lesser=table.is_lesser)]
    shown = [f"s.{fact}" for fact in (*facts, *table.positions)]
    shown += [f"s.{name(each.name)}" for each in table.indices]
    for column in table.columns:
        number = numbers.get(column.key)
        if number is None:
            shown.append(f"s.{name(column.name)}")
        elif column.answer == "place":
            shown.append(f"s._r{number} as {name(column.name)}")
            shown += [
                f"{question_types.part_of_place(f's._t{number}', at)} as {name(part)}"
                for at, part in enumerate(column.parts)
            ]
        else:
            shown.append(f"s._t{number} as {name(column.name)}")
    return ",\n    ".join([*shown, f"{_unreadable(table, numbers)} as {UNREADABLE}"])


def _unreadable(table: Table, numbers: Mapping[str, int]) -> str:
    """Return the SQL of an object of all texts that could not be read, or of null."""
    if not numbers:
        return "null::jsonb"
    tests = [f"s._r{number} is not null and s._t{number} is null" for number in numbers.values()]
    keys = ", ".join(literal(each.name) for each in table.columns if each.key in numbers)
    values = ", ".join(
        f"case when s._t{number} is null then s._r{number} end" for number in numbers.values()
    )
    return (
        f"case when {' or '.join(tests)} then "
        f"jsonb_strip_nulls(jsonb_object(array[{keys}], array[{values}]::text[])) end"
    )
