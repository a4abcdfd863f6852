"""SQL for sessions, schemas and tables, built with psycopg2.sql so that names cannot inject code.

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

SCHEMA_STATUS = """
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

# Unique indexes that ON CONFLICT can use: unconditional, on plain columns, not deferrable.
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
        ON contype.conindid = unique_index.indexrelid AND contype.contype = 'p'
     WHERE space.nspname = %s AND unique_index.indisunique AND unique_index.indisvalid
       AND unique_index.indimmediate AND unique_index.indpred IS NULL
       AND unique_index.indexprs IS NULL AND unique_index.indnkeyatts = unique_index.indnatts
"""


ROLE = "SELECT 1 FROM pg_roles WHERE rolname = %s"

# Tables of this role that another role cannot read yet.
UNREADABLE_TABLES = """
    SELECT relname FROM pg_class
     WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
       AND relkind IN ('r', 'p') AND pg_has_role(relowner, 'MEMBER')
       AND NOT has_table_privilege(%s, oid, 'SELECT')
"""


def qualified(schema: str, name: str) -> Identifier:
    """Return the schema-qualified name of a relation."""
    return Identifier(schema, name)


def column_list(columns: Iterable[str], alias: str = "") -> Composed:
    """Return column names separated by commas, qualified with the alias if one is given."""
    qualifier = [alias] if alias else []
    return SQL(", ").join(Identifier(*qualifier, column) for column in columns)


def create_schema(schema: str) -> Composed:
    """Create the dataset schema."""
    return SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema))


def comment_schema(schema: str, text: str) -> Composed:
    """Record the owner in the schema's comment."""
    return SQL("COMMENT ON SCHEMA {} IS {}").format(Identifier(schema), Literal(text))


def grant_schema(schema: str, role: str) -> Composed:
    """Let a role use the schema and read all its future tables."""
    return SQL(
        "GRANT USAGE ON SCHEMA {schema} TO {role};"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}"
    ).format(schema=Identifier(schema), role=Identifier(role))


def grant_table(table: Composable, role: str) -> Composed:
    """Let a role read a table."""
    return SQL("GRANT SELECT ON {} TO {}").format(table, Identifier(role))


def create_table(
    table: Composable, columns: Sequence[tuple[str, str]], *, unlogged: bool = False
) -> Composed:
    """Create a table without a key."""
    return SQL("CREATE {unlogged} TABLE {table} ({columns})").format(
        unlogged=SQL("UNLOGGED" if unlogged else ""),
        table=table,
        columns=SQL(", ").join(
            SQL("{} {}").format(Identifier(name), SQL(type_)) for name, type_ in columns
        ),
    )


def comment_column(table: Composable, column: str, text: str) -> Composed:
    """Record a property's full name in its column's comment."""
    return SQL("COMMENT ON COLUMN {}.{} IS {}").format(table, Identifier(column), Literal(text))


def drop_table(table: Composable) -> Composed:
    """Drop an internal table."""
    return SQL("DROP TABLE IF EXISTS {}").format(table)


def add_column(table: Composable, column: str, type_: str) -> Composed:
    """Add a nullable column."""
    return SQL("ALTER TABLE {} ADD COLUMN {} {}").format(table, Identifier(column), SQL(type_))


def widen_column(table: Composable, column: str, type_: str, expression: str) -> Composed:
    """Change a column's type."""
    return SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}").format(
        table,
        Identifier(column),
        SQL(type_),
        SQL(expression).format(column=Identifier(column)),
    )


def add_key(table: Composable, name: str, key: Sequence[str]) -> Composed:
    """Add a primary key."""
    return SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})").format(
        table, Identifier(name), column_list(key)
    )


def add_search_index(table: Composable, name: str, key: Sequence[str]) -> Composed:
    """Add a plain index on a key that the rows do not allow to be unique."""
    return SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})").format(
        Identifier(name), table, column_list(key)
    )


def rename_table(table: Composable, name: str) -> Composed:
    """Rename a table."""
    return SQL("ALTER TABLE {} RENAME TO {}").format(table, Identifier(name))


def rename_constraint(table: Composable, name: str, wanted: str) -> Composed:
    """Rename a constraint."""
    return SQL("ALTER TABLE {} RENAME CONSTRAINT {} TO {}").format(
        table, Identifier(name), Identifier(wanted)
    )


def fill_column(table: Composable, column: str, expression: str, source: str) -> Composed:
    """Set a column in all rows from an expression over another one."""
    value = SQL(expression).format(column=Identifier(source))
    return SQL("UPDATE {} SET {} = {}").format(table, Identifier(column), value)


def drop_constraint(table: Composable, name: str) -> Composed:
    """Drop a constraint."""
    return SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table, Identifier(name))


def drop_not_null(table: Composable, column: str) -> Composed:
    """Allow null in a column."""
    return SQL("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL").format(table, Identifier(column))
