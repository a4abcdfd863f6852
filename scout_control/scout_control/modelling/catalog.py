"""Comments on tables and columns, and ``_scout_catalog``: what there is and what it means.

The comment of the schema itself is not ours: it says whose the schema is, and guards it.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2 import sql

from scout_control.modelling import answers, statements
from scout_control.modelling.kinds import KINDS
from scout_control.rules.json_values import to_json_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a type

    from scout_control.modelling.documents import Join
    from scout_control.modelling.shapes import Model

UNREADABLE = "Texts that could not be read as the type of their column, by column"
COMMENTS = """
    SELECT c.relname, a.attname, col_description(c.oid, a.attnum),
           obj_description(c.oid, 'pg_class')
      FROM pg_class AS c
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%s)
       AND c.relkind IN ('r', 'p')
"""
UNCOMMENTED = """
    SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
       AND relname = ANY (%s) AND pg_has_role(relowner, 'MEMBER')
       AND obj_description(oid, 'pg_class') IS NULL
"""
CREATE = """
    CREATE TABLE IF NOT EXISTS _scout_catalog (
        table_name text NOT NULL, column_name text, kind text NOT NULL, position integer NOT NULL,
        data_type text, is_nullable boolean, is_key boolean, refers_to text, description text,
        unreadable bigint, row_count bigint, updated_at timestamptz,
        PRIMARY KEY (table_name, position)
    );
    COMMENT ON TABLE _scout_catalog IS
        'What is in this schema: a row per table (position 0) and per column; anew after each run';
"""
RELATIONS = """
    SELECT c.relname FROM pg_class AS c
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
       AND c.relname !~ '^_scout_' AND c.relname !~ '__dbt_' ORDER BY 1
"""
FILL = """
    INSERT INTO _scout_catalog
    SELECT c.relname, a.attname,
           CASE WHEN c.relkind IN ('v', 'm') THEN 'view' WHEN m.name IS NOT NULL THEN 'model'
                ELSE 'table' END,
           coalesce(a.position, 0), format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
           EXISTS (SELECT FROM pg_index AS i
                    WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
           NULL,
           CASE WHEN a.attnum IS NULL THEN obj_description(c.oid, 'pg_class')
                ELSE col_description(c.oid, a.attnum) END,
           NULL, NULL,
           CASE WHEN a.attnum IS NULL THEN coalesce(m.built_at, {loaded}) END
      FROM pg_class AS c
      LEFT JOIN {models} AS m ON m.name = c.relname
     CROSS JOIN LATERAL (
           SELECT NULL::name AS attname, NULL::smallint AS attnum, NULL::int AS position,
                  NULL::oid AS atttypid, NULL::int AS atttypmod, NULL::boolean AS attnotnull
            UNION ALL
           SELECT attname, x.attnum, (row_number() OVER (ORDER BY x.attnum))::int, atttypid,
                  atttypmod, attnotnull
             FROM pg_attribute AS x
            WHERE x.attrelid = c.oid AND x.attnum > 0 AND NOT x.attisdropped
           ) AS a
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%s)
"""
# A staging view is as new as the stream that it is of.
LOADED = """
    (SELECT max(completed_at) FROM _scout_loads
      WHERE stream = regexp_replace(c.relname, '^stg_[a-z]+__', ''))
"""
NO_MODELS = "(SELECT NULL::text AS name, NULL::timestamptz AS built_at WHERE false)"
COUNT = """
    UPDATE _scout_catalog SET row_count = (SELECT count(*) FROM {table})
     WHERE table_name = {name} AND position = 0
"""
BAD = """
    UPDATE _scout_catalog AS catalog SET unreadable = coalesce(found.rows, 0)
      FROM _scout_catalog AS same
      LEFT JOIN (SELECT key, count(*) AS rows
                   FROM {table}, jsonb_object_keys(_scout_unreadable) AS keys (key)
                  GROUP BY key) AS found ON found.key = same.column_name
     WHERE catalog.table_name = {name} AND same.table_name = catalog.table_name
       AND catalog.position = same.position AND same.position > 0
"""
TOUCH = """
    UPDATE _scout_catalog AS catalog
       SET updated_at = (SELECT max(completed_at) FROM _scout_loads
                          WHERE stream = regexp_replace(table_name, '^stg_[a-z]+__', ''))
     WHERE position = 0 AND kind <> 'model'
"""
REFERS = "UPDATE _scout_catalog SET refers_to = %s WHERE table_name = %s AND column_name = %s"
NAME = "_scout_catalog"
COLUMNS = frozenset(
    f"{column} {kind}"
    for kind, columns in {
        "text": ("table_name", "column_name", "kind", "data_type", "refers_to", "description"),
        "int4": ("position",),
        "bool": ("is_nullable", "is_key"),
        "int8": ("unreadable", "row_count"),
        "timestamptz": ("updated_at",),
    }.items()
    for column in columns
)
READ = """
    SELECT table_name, column_name, kind, data_type, is_nullable, is_key, refers_to,
           left(description, 10000), unreadable, row_count, updated_at
      FROM {} ORDER BY table_name, position LIMIT 100000
"""
FIELDS = ("type", "is_nullable", "is_key", "refers_to", "description", "unreadable")


def describe(cursor: Cursor, tables: Mapping[str, str]) -> None:
    """Say what loaded tables are, where nobody has said it yet."""
    cursor.execute(UNCOMMENTED, [list(tables)])
    for (name,) in cursor.fetchall():
        _say(cursor, "TABLE", (name,), tables[name])


def comment(cursor: Cursor, models: Iterable[Model]) -> None:
    """Let the comments of generated tables say what they say now."""
    models = list(models)
    cursor.execute(COMMENTS, [[model.table.name for model in models]])
    columns: dict[tuple[str, str], str | None] = {}
    tables: dict[str, str | None] = {}
    for table, column, about_column, about_table in cursor.fetchall():
        columns[table, column] = about_column
        tables[table] = about_table
    for model in models:
        name = model.table.name
        if name not in tables:
            continue
        if tables[name] != model.table.comment:
            _say(cursor, "TABLE", (name,), model.table.comment)
        for column, text in _words(model):
            if (name, column) in columns and columns[name, column] != text:
                _say(cursor, "COLUMN", (name, column), text)


def _say(cursor: Cursor, kind: str, names: tuple[str, ...], text: str) -> None:
    cursor.execute(
        sql.SQL("COMMENT ON {} {} IS {}").format(
            sql.SQL(kind), sql.Identifier(*names), sql.Literal(text)
        )
    )


def _words(model: Model) -> Iterator[tuple[str, str]]:
    """Yield what is said of each column."""
    table = model.table
    for fact in KINDS[table.kind].facts_of(is_lesser=table.is_lesser):
        yield fact.name, fact.comment
    for position, path in zip(table.positions, table.repeats, strict=True):
        yield position, f"Place in the repeat group /data/{'/'.join(path)}, from 1"
    yield statements.UNREADABLE, UNREADABLE
    for column in (*table.indices, *table.columns):
        yield column.name, column.comment
        for part, name in zip(answers.PLACE_PARTS, column.parts, strict=False):
            yield name, f"{column.comment}: {part}"


def refresh(cursor: Cursor, models: Iterable[Model], relations: Iterable[Join]) -> None:
    """Make the catalog anew."""
    cursor.execute(
        "SELECT to_regclass('_scout_catalog'), to_regclass('_scout_loads'),"
        " to_regclass('_scout_models')"
    )
    catalog, loads, built = cursor.fetchone() or (None, None, None)
    if catalog is None:
        cursor.execute(CREATE)
    cursor.execute(RELATIONS)
    names = [name for (name,) in cursor.fetchall()]
    cursor.execute("DELETE FROM _scout_catalog")
    loaded = sql.SQL(LOADED if loads else "NULL::timestamptz")
    known = sql.SQL("_scout_models" if built else NO_MODELS)
    cursor.execute(sql.SQL(FILL).format(loaded=loaded, models=known), [names])
    for name in names:
        _count(cursor, name)
    for model in models:
        name = model.table.name
        if name not in names:
            continue
        if any(answers.ANSWERS[each.answer].sql for each in model.table.columns):
            cursor.execute(_of(BAD, name))
    for join in relations:
        if join.to.partition(".")[0] in names:
            cursor.execute(REFERS, [join.to, join.table, join.column])


def _of(statement: str, name: str) -> sql.Composed:
    """Return a statement of one table: without parameters, since a name may hold their marks."""
    return sql.SQL(statement).format(table=sql.Identifier(name), name=sql.Literal(name))


def _count(cursor: Cursor, name: str) -> None:
    """Count rows; those of a user's view that may not be read, or fails, stay uncounted."""
    cursor.execute("SAVEPOINT counting")
    try:
        cursor.execute(_of(COUNT, name))
    except psycopg2.Error:
        cursor.execute("ROLLBACK TO SAVEPOINT counting")
    cursor.execute("RELEASE SAVEPOINT counting")


def touch(cursor: Cursor) -> None:
    """Say when tables were loaded last, where nothing else changed."""
    cursor.execute("SELECT to_regclass('_scout_catalog'), to_regclass('_scout_loads')")
    if None not in (cursor.fetchone() or [None]):
        cursor.execute(TOUCH)


def tables(rows_read: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return what was read of the catalog as tables with their columns."""
    tables: list[dict[str, Any]] = []
    for table, column, kind, *facts, rows, updated_at in rows_read:
        if column is None:
            tables.append(
                {
                    "table": table,
                    "kind": kind,
                    "description": facts[4],
                    "rows": rows,
                    "updated_at": to_json_value(updated_at and updated_at.astimezone(UTC)),
                    "columns": [],
                }
            )
        elif tables:
            about = dict(zip(FIELDS, facts, strict=True))
            tables[-1]["columns"].append({"name": column, **about})
    return tables
