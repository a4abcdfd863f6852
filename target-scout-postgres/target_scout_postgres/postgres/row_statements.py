"""The SQL that moves rows: copied in, merged, replaced, held back.

Aliases begin with `_scout_` and are no name that `identifiers` gives a stream or property, as
`excluded` and `old` may be. Built here, executed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg2.sql import SQL, Composable, Composed, Identifier, Literal

from target_scout_postgres.postgres.statements import names

OLD_ALIAS, NEW_ALIAS, SOURCE_ALIAS = "_scout_old", "_scout_new", "_scout_source"
OLD, NEW = Identifier(OLD_ALIAS), Identifier(NEW_ALIAS)

# The pages of a table of our own.
PAGES = """
    SELECT pg_relation_size(class.oid) / current_setting('block_size')::bigint
      FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
     WHERE space.nspname = %s AND class.relname = %s
"""


def keep_last(table: Composable, key: Sequence[str], source: Composable | None = None) -> Composed:
    """Keep the last of the rows with the same key; with a source, of the keys that it has."""
    wanted: Composable = SQL("")
    if source is not None:
        same = _same_key(key, NEW_ALIAS, SOURCE_ALIAS)
        wanted = SQL("WHERE EXISTS (SELECT FROM {} AS {} WHERE {})").format(
            source, Identifier(SOURCE_ALIAS), same
        )
    return SQL(
        "DELETE FROM {table} AS {old} USING (SELECT {new}.ctid AS _scout_place, row_number() OVER "
        "(PARTITION BY {key} ORDER BY {new}.ctid DESC) AS _scout_rank FROM {table} AS {new} "
        "{wanted}) AS {new} WHERE {old}.ctid = {new}._scout_place AND {new}._scout_rank > 1"
    ).format(table=table, key=names(key, NEW_ALIAS), old=OLD, new=NEW, wanted=wanted)


def copy_in(table: Composable, columns: Sequence[str]) -> Composed:
    """Copy rows in."""
    return SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, names(columns))


def cast_from(table: Composable, columns: Sequence[str], casts: Mapping[str, str]) -> Composed:
    """Read a table of our own, some of its columns carried over to other types."""
    values = [
        SQL("{} AS {}").format(
            SQL(casts.get(name, "{column}")).format(column=Identifier(name)), Identifier(name)
        )
        for name in columns
    ]
    return SQL("(SELECT {} FROM {})").format(SQL(", ").join(values), table)


def some_of(table: Composable, condition: Composable) -> Composed:
    """Read the rows of a table that a condition picks out."""
    return SQL("(SELECT * FROM {} WHERE {})").format(table, condition)


def of_pages(first: int, end: int) -> Composed:
    """Return the condition of rows on some pages of a table."""
    return SQL("ctid >= {} AND ctid < {}").format(Literal(f"({first},0)"), Literal(f"({end},0)"))


def of_places(places: Sequence[str]) -> Composed:
    """Return the condition of rows in these places."""
    return SQL("ctid = ANY ({}::tid[])").format(Literal(list(places)))


def places_of(table: Composable, condition: Composable) -> Composed:
    """Ask for the places of rows."""
    return SQL("SELECT ctid::text FROM {} WHERE {}").format(table, condition)


def delete_where(table: Composable, condition: Composable) -> Composed:
    """Delete the rows of a condition."""
    return SQL("DELETE FROM {} WHERE {}").format(table, condition)


def exists_row(table: Composable) -> Composed:
    """Ask whether a table has a row."""
    return SQL("SELECT EXISTS (SELECT FROM {})").format(table)


# How the planner may join a source to a table. A batch has few rows beside those of the table,
# which the planner cannot know of tables just filled: its rows go by the index of the key.
JOIN_BY_KEY = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; "
JOIN_FREELY = "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; "


def write_over(
    table: Composable,
    source: Composable,
    columns: Sequence[str],
    key: Sequence[str],
    *,
    has_index: bool,
) -> Composed:
    """Write the rows of a source over those of a table; without a key, beside them."""
    if not key:
        return insert_all(table, source, columns)
    write = upsert if has_index else upsert_without_index
    return write(table, source, columns, key)


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
        differs = SQL("OR {}").format(_differs(changed))
        action = SQL("UPDATE SET {}").format(_assignments(changed, "excluded"))
    return SQL(
        "INSERT INTO {table} AS _scout_table ({columns}) SELECT {values} FROM {source} AS {new} "
        "LEFT JOIN {table} AS {old} ON {same} WHERE {missing} IS NULL {differs} "
        "ON CONFLICT ({key}) DO {action}"
    ).format(
        table=table,
        columns=names(columns),
        values=names(columns, NEW_ALIAS),
        source=source,
        new=NEW,
        old=OLD,
        same=_same_key(key),
        missing=Identifier(OLD_ALIAS, key[0]),
        differs=differs,
        key=names(key),
        action=action,
    )


def upsert_without_index(
    table: Composable, source: Composable, columns: Sequence[str], key: Sequence[str]
) -> Composed:
    """Write the rows of a source as `upsert` does, to a table that cannot have its key.

    Its rows may share a key: of those that the source has, the last one stays, and is updated.
    """
    changed = [name for name in columns if name not in key]
    steps: list[Composable] = [keep_last(table, key, source)]
    if changed:
        steps.append(
            SQL(
                "UPDATE {table} AS {old} SET {values} FROM {source} AS {new} "
                "WHERE {same} AND {differs}"
            ).format(
                table=table,
                old=OLD,
                values=_assignments(changed, NEW_ALIAS),
                source=source,
                new=NEW,
                same=_same_key(key),
                differs=_differs(changed),
            )
        )
    missing = SQL("WHERE NOT EXISTS (SELECT FROM {} AS {} WHERE {})").format(
        table, OLD, _same_key(key)
    )
    steps.append(SQL("{} {}").format(insert_all(table, source, columns), missing))
    return SQL("; ").join(steps)


def _assignments(columns: Sequence[str], source: str) -> Composed:
    return SQL(", ").join(
        SQL("{} = {}").format(Identifier(name), Identifier(source, name)) for name in columns
    )


def _differs(columns: Sequence[str]) -> Composed:
    return SQL("pg_catalog.record_image_ne(ROW({}), ROW({}))").format(
        names(columns, OLD_ALIAS), names(columns, NEW_ALIAS)
    )


def delete_matching(table: Composable, source: Composable, key: Sequence[str]) -> Composed:
    """Delete the rows whose key the source has."""
    return SQL("DELETE FROM {} AS {} USING {} AS {} WHERE {}").format(
        table, OLD, source, NEW, _same_key(key)
    )


def delete_marked(table: Composable, source: Composable, key: Sequence[str], mark: str) -> Composed:
    """Delete the rows whose key the source marks as deleted."""
    return SQL("{} AND {} IS NOT NULL").format(
        delete_matching(table, source, key), Identifier(NEW_ALIAS, mark)
    )


def insert_all(table: Composable, source: Composable, columns: Sequence[str]) -> Composed:
    """Insert all rows of a source."""
    return SQL("INSERT INTO {} ({}) SELECT {} FROM {} AS {}").format(
        table, names(columns), names(columns, NEW_ALIAS), source, NEW
    )


def delete_all(table: Composable) -> Composed:
    """Delete all rows, while readers go on seeing them."""
    return SQL("DELETE FROM {}").format(table)


def delete_missing(table: Composable, source: Composable, key: Sequence[str]) -> Composed:
    """Delete the rows whose key the source lacks."""
    return SQL("DELETE FROM {} AS {} WHERE NOT EXISTS (SELECT FROM {} AS {} WHERE {})").format(
        table, OLD, source, NEW, _same_key(key)
    )


def mark_missing(
    table: Composable, source: Composable, key: Sequence[str], column: str
) -> Composed:
    """Mark the rows whose key the source lacks as deleted now; without a key, all rows."""
    missing = (
        SQL("AND NOT EXISTS (SELECT FROM {} AS {} WHERE {})").format(source, NEW, _same_key(key))
        if key
        else SQL("")
    )
    return SQL("UPDATE {} AS {} SET {} = now() WHERE {} IS NULL {}").format(
        table, OLD, Identifier(column), Identifier(OLD_ALIAS, column), missing
    )


def _same_key(key: Sequence[str], one: str = OLD_ALIAS, other: str = NEW_ALIAS) -> Composed:
    return SQL(" AND ").join(
        SQL("{} = {}").format(Identifier(one, name), Identifier(other, name)) for name in key
    )


def truncate(table: Composable) -> Composed:
    """Empty a table of our own."""
    return SQL("TRUNCATE {}").format(table)


def analyze(table: Composable) -> Composed:
    """Tell the planner about a table of our own."""
    return SQL("ANALYZE {}").format(table)


def rows_as_json(table: Composable, number: str) -> Composed:
    """Read rows as JSON objects, each with the value of a column that tells which it is."""
    return SQL("SELECT {}, to_jsonb({})::text FROM {} AS {}").format(
        Identifier(NEW_ALIAS, number), NEW, table, NEW
    )


def places_as_json(table: Composable, places: Sequence[str]) -> Composed:
    """Read the rows in these places as JSON objects."""
    return SQL("SELECT ctid::text, to_jsonb({})::text FROM {} AS {} WHERE {}").format(
        NEW, table, NEW, of_places(places)
    )


def create_held(table: Composable) -> Composed:
    """Create a table for batches that are held back; their bytes are not worth compressing."""
    return SQL(
        "CREATE TABLE {0} (number bigint, rows bytea, lines bytea);"
        "ALTER TABLE {0} ALTER rows SET STORAGE EXTERNAL, ALTER lines SET STORAGE EXTERNAL"
    ).format(table)


HELD_COLUMNS = ("number", "rows", "lines")


def copy_held(table: Composable, first: int, last: int) -> Composed:
    """Copy held batches out."""
    return SQL(
        "COPY (SELECT rows, lines FROM {} WHERE number BETWEEN {} AND {} ORDER BY number) "
        "TO STDOUT (FORMAT binary)"
    ).format(table, Literal(first), Literal(last))


def delete_held(table: Composable, first: int, last: int) -> Composed:
    """Delete held batches."""
    return SQL("DELETE FROM {} WHERE number BETWEEN {} AND {}").format(
        table, Literal(first), Literal(last)
    )
