"""Reads what the documentation page shows: tables as they are now, the programme, and the joins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2

from scout_dbt.dataset import applications, introspection
from scout_dbt.planning import comments, joins
from scout_dbt.planning.tables import RecordKind, ValueType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from scout_dbt.dataset.applications import Applications
    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.planning.joins import Join
    from scout_dbt.planning.tables import Model, Reference, Table

COLUMNS = """
    SELECT c.relname, left(coalesce(obj_description(c.oid, 'pg_class'), ''), 10000), a.attname,
           format_type(a.atttypid, a.atttypmod),
           left(coalesce(col_description(c.oid, a.attnum), ''), 10000),
           EXISTS (SELECT FROM pg_index AS i
                    WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
           c.relkind IN ('v', 'm')
      FROM pg_class AS c
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
       AND c.relname !~ '^_scout_' AND c.relname !~ '__dbt_'
     ORDER BY c.relname, a.attnum
"""
# Cast, since any program of the dataset's writer may have replaced the table.
COUNTS = """
    SELECT table_name::text, row_count::bigint, updated_at::timestamptz
      FROM _scout_catalog WHERE position = 0
"""
LINKS = """
    SELECT DISTINCT coalesce(case_type, ''), link.key, link.value ->> 'case_type'
      FROM cases CROSS JOIN LATERAL jsonb_each(
           CASE jsonb_typeof(indices) WHEN 'object' THEN indices ELSE '{}' END) AS link
     WHERE link.value ->> 'case_type' <> ''
"""
GENERATED, STAGING, OWN, LOADED = "generated", "staging", "own", "loaded"
STAGING_STARTS = ("stg_", "commcare_")


@dataclass(frozen=True, kw_only=True)
class ColumnDocs:
    """A column, as the database describes it."""

    name: str
    type: str
    comment: str
    is_key: bool


@dataclass(frozen=True, kw_only=True)
class TableDocs:
    """A table or view, as the database describes it."""

    name: str
    kind: str
    """What it is for people: generated, staging, own or loaded."""
    is_view: bool
    comment: str
    rows: int | None
    updated_at: datetime | None
    columns: tuple[ColumnDocs, ...]


@dataclass(frozen=True, kw_only=True)
class Item:
    """A question or a property, and its column."""

    text: str
    table: str
    column: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A form or a case type, and its tables."""

    title: str
    group: str
    """The application of a form; empty where none is known."""
    tables: tuple[str, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True)
class Documentation:
    """Everything that the page shows."""

    schema: str
    tables: tuple[TableDocs, ...] = ()
    forms: tuple[Subject, ...] = ()
    case_types: tuple[Subject, ...] = ()
    joins: tuple[Join, ...] = ()
    alias: str | None = None

    @property
    def schemas(self) -> list[str]:
        """The schemas in which the tables are found, the one for people first."""
        return [self.alias, self.schema] if self.alias else [self.schema]


def read(
    cursor: Cursor,
    schema: str,
    models: Collection[Model],
    streams: Collection[str],
    references: Iterable[Reference],
) -> Documentation:
    """Read the documentation of the current schema.

    Args:
        cursor: In the dataset schema.
        schema: Its name.
        models: The generated models.
        streams: The loaded streams.
        references: How tables refer to each other.
    """
    defined = applications.read(cursor, introspection.source_tables(cursor))
    tables = _tables(cursor, streams, {each.table.name for each in models})
    names = {each.name for each in tables}
    return Documentation(
        schema=schema,
        tables=tables,
        forms=tuple(_forms(models, defined, names)),
        case_types=tuple(_subjects(models, {RecordKind.CASE}, {}, names)),
        joins=tuple(
            joins.joins(references, models, defined.case_types_of_forms(), _links(cursor), names)
        ),
    )


def _tables(
    cursor: Cursor, streams: Collection[str], generated: Collection[str]
) -> tuple[TableDocs, ...]:
    cursor.execute("SELECT to_regclass('_scout_catalog')")
    has_counts = cursor.fetchone() != (None,)
    cursor.execute(COUNTS if has_counts else "SELECT NULL, NULL, NULL WHERE false")
    counts = {name: counted for name, *counted in cursor.fetchall()}
    cursor.execute(COLUMNS)
    found: dict[str, list[ColumnDocs]] = {}
    about: dict[str, tuple[str, bool]] = {}
    for table, text, name, data_type, comment, is_key, is_view in cursor.fetchall():
        about[table] = text, is_view
        found.setdefault(table, []).append(
            ColumnDocs(name=name, type=data_type, comment=comment, is_key=is_key)
        )
    return tuple(
        TableDocs(
            name=name,
            kind=_kind(name, streams, generated),
            is_view=about[name][1],
            comment=about[name][0],
            rows=counts.get(name, [None, None])[0],
            updated_at=counts.get(name, [None, None])[1],
            columns=tuple(columns),
        )
        for name, columns in found.items()
    )


def _kind(name: str, streams: Collection[str], generated: Collection[str]) -> str:
    if name in generated:
        return GENERATED
    if name in streams:
        return LOADED
    return STAGING if name.startswith(STAGING_STARTS) else OWN


def _links(cursor: Cursor) -> list[tuple[str, str, str]]:
    """Return which type of case refers to which; nothing where cases have no indices."""
    cursor.execute("SAVEPOINT links")
    try:
        cursor.execute(LINKS)
        return list(cursor.fetchall())
    except psycopg2.errors.UndefinedTable:
        cursor.execute("ROLLBACK TO SAVEPOINT links")
    except psycopg2.errors.UndefinedColumn:
        cursor.execute("ROLLBACK TO SAVEPOINT links")
    return []


def _forms(models: Iterable[Model], defined: Applications, present: set[str]) -> Iterable[Subject]:
    groups = {xmlns: app for _, xmlns, app, *_ in reversed(defined.definitions)}
    return _subjects(models, {RecordKind.FORM, RecordKind.VISIT}, groups, present)


def _subjects(
    models: Iterable[Model],
    kinds: set[RecordKind],
    groups: dict[str, str],
    present: set[str],
) -> Iterable[Subject]:
    """Return the forms or case types that have tables, each with all its parts."""
    by_scope: dict[str, list[Table]] = {}
    for model in models:
        if model.table.record_kind in kinds and model.table.name in present:
            by_scope.setdefault(model.table.scope, []).append(model.table)
    for scope, tables in by_scope.items():
        yield Subject(
            title=tables[0].title or "(none)",
            group=groups.get(scope) or "",
            tables=tuple(table.name for table in tables),
            items=tuple(item for table in tables for item in _items(table)),
        )


def _items(table: Table) -> Iterable[Item]:
    """Return the answers in a table, without case blocks and attributes."""
    for column in table.columns:
        is_answer = column.value_type != ValueType.JSON and "/@" not in f"/{column.key}"
        if is_answer:
            text = column.comment.rpartition(f" {comments.ORIGIN}")[0]
            what = text.partition(" Options: ")[0].removesuffix(".")
            yield Item(text=what, table=table.name, column=column.name)
