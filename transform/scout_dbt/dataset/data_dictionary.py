"""The data dictionary: comments on tables and columns, and the table ``_scout_catalog``.

The comment of the schema itself is never changed: it names the owner, which the target checks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2 import sql

from scout_dbt.planning import model_sql
from scout_dbt.planning.question_types import CONVERSIONS, GPS_PARTS
from scout_dbt.planning.record_types import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.planning.tables import Model, Reference

UNREADABLE = "Answers that do not fit the type of their column, by column"
COMMENTS = """
    SELECT c.relname, a.attname, col_description(c.oid, a.attnum),
           obj_description(c.oid, 'pg_class')
      FROM pg_class AS c
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%s)
       AND c.relkind IN ('r', 'p')
"""
UNCOMMENTED = """
    SELECT c.relname, a.attname
      FROM pg_class AS c
      LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%s)
       AND c.relkind IN ('r', 'p') AND pg_has_role(c.relowner, 'MEMBER')
       AND col_description(c.oid, a.attnum) IS NULL
     UNION ALL
    SELECT relname, NULL FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relname = ANY (%s)
       AND pg_has_role(relowner, 'MEMBER') AND obj_description(oid, 'pg_class') IS NULL
"""
CREATE = """
    CREATE TABLE IF NOT EXISTS _scout_catalog (
        table_name text NOT NULL, column_name text, kind text NOT NULL, position integer NOT NULL,
        data_type text, is_nullable boolean, is_key boolean, refers_to text, description text,
        unreadable bigint, row_count bigint, updated_at timestamptz,
        PRIMARY KEY (table_name, position)
    );
    COMMENT ON TABLE _scout_catalog IS
        'Data dictionary: a row per table (position 0) and per column, rebuilt by each run';
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
# A staging view is as recent as its stream.
LOADED = """
    (SELECT max(completed_at) FROM _scout_loads
      WHERE stream = regexp_replace(c.relname, '^stg_[a-z]+__', ''))
"""
NO_MODELS = "(SELECT NULL::text AS name, NULL::timestamptz AS built_at WHERE false)"
COUNT = """
    UPDATE _scout_catalog SET row_count = (SELECT count(*) FROM {table})
     WHERE table_name = {name} AND position = 0
"""
COUNT_UNREADABLE = """
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
TABLE = "_scout_catalog"
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
QUERY = """
    SELECT table_name, column_name, kind, data_type, is_nullable, is_key, refers_to,
           left(description, 10000), unreadable, row_count, updated_at
      FROM {} ORDER BY table_name, position LIMIT 100000
"""
COLUMN_FIELDS = ("type", "is_nullable", "is_key", "refers_to", "description", "unreadable")


def comment_streams(
    cursor: Cursor,
    tables: Mapping[str, str],
    columns: Mapping[str, Mapping[str, str]],
) -> None:
    """Set the comments of loaded tables and their columns that have none yet.

    The target's own comments stay: it finds the column of a property by them.
    """
    names = list(tables)
    cursor.execute(UNCOMMENTED, [names, names])
    for table, column in cursor.fetchall():
        if column is None:
            _comment(cursor, "TABLE", (table,), tables[table])
        elif text := columns.get(table, {}).get(column):
            _comment(cursor, "COLUMN", (table, column), text)


def comment_models(cursor: Cursor, models: Iterable[Model]) -> bool:
    """Update the comments of generated tables and their columns; return whether one differed."""
    models = list(models)
    cursor.execute(COMMENTS, [[model.table.name for model in models]])
    columns: dict[tuple[str, str], str | None] = {}
    tables: dict[str, str | None] = {}
    for table, column, column_comment, table_comment in cursor.fetchall():
        columns[table, column] = column_comment
        tables[table] = table_comment
    is_changed = False
    for model in models:
        name = model.table.name
        if name not in tables:
            continue
        # COMMENT writes to the system catalogs: hundreds of columns stay as they are.
        if tables[name] != model.table.comment:
            is_changed = True
            _comment(cursor, "TABLE", (name,), model.table.comment)
        for column, text in column_comments(model):
            if (name, column) in columns and columns[name, column] != text:
                is_changed = True
                _comment(cursor, "COLUMN", (name, column), text)
    return is_changed


def _comment(cursor: Cursor, kind: str, names: tuple[str, ...], text: str) -> None:
    cursor.execute(
        sql.SQL("COMMENT ON {} {} IS {}").format(
            sql.SQL(kind), sql.Identifier(*names), sql.Literal(text)
        )
    )


def column_comments(model: Model) -> Iterator[tuple[str, str]]:
    """Yield the name and the comment of each column of a generated table."""
    table = model.table
    for column in RECORD_TYPES[table.record_kind].columns_of(is_secondary=table.is_secondary):
        yield column.name, column.comment
    for position, path in zip(table.position_columns, table.repeats, strict=True):
        yield position, f"Position in the repeat group /data/{'/'.join(path)}, from 1"
    yield model_sql.UNREADABLE, UNREADABLE
    for each in (*table.indices, *table.columns):
        yield each.name, each.comment
        for part, name in zip(GPS_PARTS, each.gps_columns, strict=False):
            yield name, f"{part.capitalize()}: {each.comment}"


def refresh(cursor: Cursor, models: Iterable[Model], references: Iterable[Reference]) -> None:
    """Rebuild the data dictionary from the current contents of the schema."""
    cursor.execute(
        "SELECT to_regclass('_scout_catalog'), to_regclass('_scout_loads'),"
        " to_regclass('_scout_models')"
    )
    dictionary, loads, built = cursor.fetchone() or (None, None, None)
    if dictionary is None:
        cursor.execute(CREATE)
    cursor.execute(RELATIONS)
    names = [name for (name,) in cursor.fetchall()]
    # Not TRUNCATE, which would wait for readers and block them.
    cursor.execute("DELETE FROM _scout_catalog")
    loaded_at = sql.SQL(LOADED if loads else "NULL::timestamptz")
    built_models = sql.SQL("_scout_models" if built else NO_MODELS)
    cursor.execute(sql.SQL(FILL).format(loaded=loaded_at, models=built_models), [names])
    for name in names:
        _count(cursor, name)
    for model in models:
        table = model.table
        if table.name in names and any(CONVERSIONS[each.value_type].sql for each in table.columns):
            cursor.execute(_on_table(COUNT_UNREADABLE, table.name))
    for reference in references:
        if reference.to_table in names:
            cursor.execute(REFERS, [reference.target, reference.table, reference.column])


def _on_table(statement: str, name: str) -> sql.Composed:
    """Return a statement on one table, without parameters: a name may contain their marks."""
    return sql.SQL(statement).format(table=sql.Identifier(name), name=sql.Literal(name))


def _count(cursor: Cursor, name: str) -> None:
    """Count the rows of a table, or leave them unknown: a view of a user may fail."""
    # An error would end the transaction, and with it what else this build describes.
    cursor.execute("SAVEPOINT counting")
    try:
        cursor.execute(_on_table(COUNT, name))
    except psycopg2.Error:
        cursor.execute("ROLLBACK TO SAVEPOINT counting")
    cursor.execute("RELEASE SAVEPOINT counting")


def touch(cursor: Cursor) -> None:
    """Update only the times at which tables were last loaded."""
    cursor.execute("SELECT to_regclass('_scout_catalog'), to_regclass('_scout_loads')")
    if None not in (cursor.fetchone() or [None]):
        cursor.execute(TOUCH)


def tables(rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return the rows of QUERY as tables with their columns, with timestamps in ISO 8601, UTC."""
    tables: list[dict[str, Any]] = []
    for table, column, kind, *fields, row_count, updated_at in rows:
        if column is None:
            tables.append(
                {
                    "table": table,
                    "kind": kind,
                    "description": fields[4],
                    "rows": row_count,
                    "updated_at": updated_at and _iso(updated_at),
                    "columns": [],
                }
            )
        elif tables:
            about = dict(zip(COLUMN_FIELDS, fields, strict=True))
            tables[-1]["columns"].append({"name": column, **about})
    return tables


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
