"""All SQL of the target, built with psycopg2.sql so that no name can become code.

Built here, executed elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg2.sql import SQL, Composable, Composed, Identifier, Literal

SESSION = """
    SET application_name = 'target-scout-postgres';
    SET client_encoding = 'UTF8';
    SET timezone = 'UTC';
    SET datestyle = 'ISO, MDY';
    SET search_path = pg_catalog;
    SET standard_conforming_strings = on;
    SET statement_timeout = 0;
    SET lock_timeout = %s;
    SET idle_in_transaction_session_timeout = 0;
    SET idle_session_timeout = 0;
    SET default_transaction_isolation = 'read committed';
    SET default_transaction_read_only = off;
    SET quote_all_identifiers = off;
    SET jit = off;
    SELECT set_config('synchronous_commit', 'on', false)
     WHERE current_setting('synchronous_commit') = 'off';
    SELECT pg_backend_pid(), current_database()
"""

OLDEST_SERVER = 140_000

SCHEMA_FACTS = """
    SELECT obj_description(oid, 'pg_namespace'), has_schema_privilege(oid, 'CREATE'),
           has_schema_privilege(oid, 'USAGE')
      FROM pg_namespace WHERE nspname = %s
"""

COLUMNS = """
    SELECT class.relname, class.relkind::text, attribute.attname,
           format_type(attribute.atttypid, attribute.atttypmod),
           col_description(class.oid, attribute.attnum), attribute.attnum,
           attribute.attisdropped, attribute.attgenerated <> '' OR attribute.attidentity = 'a'
      FROM pg_class AS class
      JOIN pg_namespace AS space ON space.oid = class.relnamespace
      LEFT JOIN pg_attribute AS attribute
        ON attribute.attrelid = class.oid AND attribute.attnum > 0
     WHERE space.nspname = %s AND class.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I')
     ORDER BY class.relname, attribute.attnum
"""

# Unique indexes that hold without condition, on plain columns, checked at once.
KEYS = """
    SELECT class.relname, indexed.relname, contype.conname,
           ARRAY(SELECT attname::text FROM pg_attribute
                  WHERE attrelid = class.oid AND attnum = ANY(unique_index.indkey)
                  ORDER BY array_position(unique_index.indkey::int2[], attnum))
      FROM pg_index AS unique_index
      JOIN pg_class AS class ON class.oid = unique_index.indrelid
      JOIN pg_class AS indexed ON indexed.oid = unique_index.indexrelid
      JOIN pg_namespace AS space ON space.oid = class.relnamespace
      LEFT JOIN pg_constraint AS contype
        ON contype.conindid = unique_index.indexrelid AND contype.contype IN ('p', 'u')
     WHERE space.nspname = %s AND unique_index.indisunique AND unique_index.indisvalid
       AND unique_index.indimmediate AND unique_index.indpred IS NULL
       AND unique_index.indexprs IS NULL AND unique_index.indnkeyatts = unique_index.indnatts
"""


ROLE = "SELECT 1 FROM pg_roles WHERE rolname = %s"

# Tables of this role that another role may not read yet.
UNREAD = """
    SELECT relname FROM pg_class
     WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
       AND relkind IN ('r', 'p') AND pg_has_role(relowner, 'MEMBER')
       AND NOT has_table_privilege(%s, oid, 'SELECT')
"""


def qualified(schema: str, name: str) -> Identifier:
    """Return the name of a relation with its schema."""
    return Identifier(schema, name)


def names(columns: Iterable[str], prefix: str = "") -> Composed:
    """Return column names, separated by commas, each behind the alias if one is given."""
    alias = [prefix] if prefix else []
    return SQL(", ").join(Identifier(*alias, column) for column in columns)


def create_schema(schema: str) -> Composed:
    """Create the dataset schema."""
    return SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema))


def comment_schema(schema: str, text: str) -> Composed:
    """Keep the owner in the schema's comment."""
    return SQL("COMMENT ON SCHEMA {} IS {}").format(Identifier(schema), Literal(text))


def grant_schema(schema: str, role: str) -> Composed:
    """Let a role read the schema, and all tables in it, now and later."""
    place = {"schema": Identifier(schema), "role": Identifier(role)}
    return SQL(
        "GRANT USAGE ON SCHEMA {schema} TO {role};"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}"
    ).format(**place)


def grant_table(table: Composable, role: str) -> Composed:
    """Let a role read a table."""
    return SQL("GRANT SELECT ON {} TO {}").format(table, Identifier(role))


def create_table(
    table: Composable, columns: Sequence[tuple[str, str]], *, unlogged: bool = False
) -> Composed:
    """Create a table without a key."""
    return SQL("CREATE {kind} TABLE {table} ({columns})").format(
        kind=SQL("UNLOGGED" if unlogged else ""),
        table=table,
        columns=SQL(", ").join(
            SQL("{} {}").format(Identifier(name), SQL(kind)) for name, kind in columns
        ),
    )


def comment_column(table: Composable, column: str, text: str) -> Composed:
    """Keep a property's full name in its column's comment."""
    return SQL("COMMENT ON COLUMN {}.{} IS {}").format(table, Identifier(column), Literal(text))


def drop_table(table: Composable) -> Composed:
    """Drop a table of our own."""
    return SQL("DROP TABLE IF EXISTS {}").format(table)


def truncate(table: Composable) -> Composed:
    """Empty a table of our own."""
    return SQL("TRUNCATE {}").format(table)


def add_column(table: Composable, column: str, kind: str) -> Composed:
    """Add a column, empty in all rows."""
    return SQL("ALTER TABLE {} ADD COLUMN {} {}").format(table, Identifier(column), SQL(kind))


def widen_column(table: Composable, column: str, kind: str, expression: str) -> Composed:
    """Change a column's type to one that holds all its values."""
    return SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}").format(
        table,
        Identifier(column),
        SQL(kind),
        SQL(expression).format(column=Identifier(column)),
    )


def add_key(table: Composable, name: str, key: Sequence[str]) -> Composed:
    """Give a table its primary key."""
    return SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})").format(
        table, Identifier(name), names(key)
    )


def add_search_index(table: Composable, name: str, key: Sequence[str]) -> Composed:
    """Index the key of a table whose rows do not allow a unique one."""
    return SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})").format(
        Identifier(name), table, names(key)
    )


def rename_table(table: Composable, name: str) -> Composed:
    """Give a table of our own another name."""
    return SQL("ALTER TABLE {} RENAME TO {}").format(table, Identifier(name))


def rename_constraint(table: Composable, name: str, wanted: str) -> Composed:
    """Give a key of our own another name."""
    return SQL("ALTER TABLE {} RENAME CONSTRAINT {} TO {}").format(
        table, Identifier(name), Identifier(wanted)
    )


def drop_constraint(table: Composable, name: str) -> Composed:
    """Drop a key of our own that another key replaces."""
    return SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table, Identifier(name))


def drop_not_null(table: Composable, column: str) -> Composed:
    """Allow null in a column that is no longer of the key."""
    return SQL("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL").format(table, Identifier(column))


def keep_last(table: Composable, key: Sequence[str]) -> Composed:
    """Keep the last of the rows with the same key, in a table filled in one transaction."""
    return SQL(
        "DELETE FROM {table} AS rows USING ("
        "SELECT ctid AS place, row_number() OVER (PARTITION BY {key} ORDER BY ctid DESC) AS rank"
        " FROM {table}) AS ranked WHERE rows.ctid = ranked.place AND ranked.rank > 1"
    ).format(table=table, key=names(key))


def copy_in(table: Composable, columns: Sequence[str]) -> Composed:
    """Copy rows in."""
    return SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, names(columns))


def create_like(table: Composable, pattern: Composable, columns: Sequence[str]) -> Composed:
    """Create an unlogged table with some columns of another."""
    return SQL("CREATE UNLOGGED TABLE {} AS SELECT {} FROM {} WITH NO DATA").format(
        table, names(columns), pattern
    )


# How the planner may join a source to a table. A batch has few rows beside those of the table,
# which the planner cannot know of tables just filled: its rows go by the index of the key.
JOIN_BY_KEY = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; "
JOIN_FREELY = "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; "


def upsert(
    table: Composable, source: Composable, columns: Sequence[str], key: Sequence[str]
) -> Composed:
    """Write the rows of a source: new keys are inserted, rows that differ are replaced.

    Rows are compared by their binary image, so that 1.10 replaces 1.1. A row that is the same is
    not even locked: ON CONFLICT alone would lock each, and write its page to the log.
    """
    changed = [name for name in columns if name not in key]
    action: Composable = SQL("NOTHING")
    differs: Composable = SQL("")
    if changed:
        differs = SQL("OR pg_catalog.record_image_ne(ROW({old}), ROW({new}))").format(
            old=names(changed, "old"), new=names(changed, "new")
        )
        action = SQL("UPDATE SET {}").format(
            SQL(", ").join(SQL("{0} = EXCLUDED.{0}").format(Identifier(name)) for name in changed)
        )
    return SQL(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM {source} AS new "
        "LEFT JOIN {table} AS old ON {same} WHERE {missing} IS NULL {differs} "
        "ON CONFLICT ({key}) DO {action}"
    ).format(
        table=table,
        columns=names(columns),
        values=names(columns, "new"),
        source=source,
        same=_same_key(key),
        missing=Identifier("old", key[0]),
        differs=differs,
        key=names(key),
        action=action,
    )


def delete_matching(table: Composable, source: Composable, key: Sequence[str]) -> Composed:
    """Delete the rows whose key the source has."""
    return SQL("DELETE FROM {} AS old USING {} AS new WHERE {}").format(
        table, source, _same_key(key)
    )


def insert_all(
    table: Composable,
    source: Composable,
    columns: Sequence[str],
    condition: Composable | None = None,
) -> Composed:
    """Insert all rows of a source, or those of a condition."""
    return SQL("INSERT INTO {} ({}) SELECT {} FROM {} {}").format(
        table, names(columns), names(columns), source, condition or SQL("")
    )


def delete_all(table: Composable) -> Composed:
    """Delete all rows, while readers go on seeing them."""
    return SQL("DELETE FROM {}").format(table)


def delete_missing(table: Composable, source: Composable, key: Sequence[str]) -> Composed:
    """Delete the rows whose key the source lacks."""
    return SQL("DELETE FROM {} AS old WHERE NOT EXISTS (SELECT FROM {} AS new WHERE {})").format(
        table, source, _same_key(key)
    )


def mark_missing(
    table: Composable, source: Composable, key: Sequence[str], column: str
) -> Composed:
    """Mark the rows whose key the source lacks as deleted now; without a key, all rows."""
    missing = (
        SQL("AND NOT EXISTS (SELECT FROM {} AS new WHERE {})").format(source, _same_key(key))
        if key
        else SQL("")
    )
    return SQL("UPDATE {} AS old SET {column} = now() WHERE {column} IS NULL {missing}").format(
        table, column=Identifier(column), missing=missing
    )


def _same_key(key: Sequence[str]) -> Composed:
    return SQL(" AND ").join(
        SQL("{} = {}").format(Identifier("old", name), Identifier("new", name)) for name in key
    )


def analyze(table: Composable) -> Composed:
    """Tell the planner about a table of our own."""
    return SQL("ANALYZE {}").format(table)


def exists_row(table: Composable) -> Composed:
    """Ask whether a table has a row."""
    return SQL("SELECT EXISTS (SELECT FROM {})").format(table)


def up_to_epoch(column: str, epoch: int) -> Composed:
    """Say which held rows a STATE covers."""
    return SQL("WHERE {} <= {}").format(Identifier(column), Literal(epoch))


def delete_where(table: Composable, condition: Composable) -> Composed:
    """Delete the rows of a condition."""
    return SQL("DELETE FROM {} {}").format(table, condition)


def rows_as_json(table: Composable, number: str) -> Composed:
    """Read rows as JSON objects without nulls, each with its number."""
    return SQL("SELECT {0}, jsonb_strip_nulls(to_jsonb(t) - {1})::text FROM {2} AS t").format(
        Identifier(number), Literal(number), table
    )
