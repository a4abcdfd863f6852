"""SQL that moves rows: COPY, merging, replacing, withholding.

Aliases begin with `_scout_`: unlike `excluded` and `old`, they are never the identifier of a
stream or property. Built here, executed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg2.sql import SQL, Composable, Composed, Identifier, Literal

from target_scout_postgres.postgres.statements import column_list

OLD_ALIAS, NEW_ALIAS, SOURCE_ALIAS = "_scout_old", "_scout_new", "_scout_source"
OLD, NEW = Identifier(OLD_ALIAS), Identifier(NEW_ALIAS)

# The number of pages of a table.
PAGES = """
    SELECT pg_relation_size(class.oid) / current_setting('block_size')::bigint
      FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
     WHERE space.nspname = %s AND class.relname = %s
"""


def delete_duplicates(
    table: Composable, key: Sequence[str], source: Composable | None = None
) -> Composed:
    """Delete all but the last row of each key; with a source, only of the keys that it has."""
    wanted: Composable = SQL("")
    if source is not None:
        same = _same_key(key, NEW_ALIAS, SOURCE_ALIAS)
        wanted = SQL("WHERE EXISTS (SELECT FROM {} AS {} WHERE {})").format(
            source, Identifier(SOURCE_ALIAS), same
        )
    return SQL(
        "DELETE FROM {table} AS {old} USING (SELECT {new}.ctid AS _scout_ctid, row_number() OVER "
        "(PARTITION BY {key} ORDER BY {new}.ctid DESC) AS _scout_rank FROM {table} AS {new} "
        "{wanted}) AS {new} WHERE {old}.ctid = {new}._scout_ctid AND {new}._scout_rank > 1"
    ).format(table=table, key=column_list(key, NEW_ALIAS), old=OLD, new=NEW, wanted=wanted)


def copy_in(table: Composable, columns: Sequence[str]) -> Composed:
    """COPY rows into a table."""
    return SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, column_list(columns))


def with_casts(table: Composable, columns: Sequence[str], casts: Mapping[str, str]) -> Composed:
    """Select from a table, with casts for some of its columns."""
    values = [
        SQL("{} AS {}").format(
            SQL(casts.get(name, "{column}")).format(column=Identifier(name)), Identifier(name)
        )
        for name in columns
    ]
    return SQL("(SELECT {} FROM {})").format(SQL(", ").join(values), table)


def filtered(table: Composable, condition: Composable) -> Composed:
    """Select the rows of a table that meet a condition."""
    return SQL("(SELECT * FROM {} WHERE {})").format(table, condition)


def on_pages(first: int, end: int) -> Composed:
    """Return the condition that a row is on one of these pages."""
    return SQL("ctid >= {} AND ctid < {}").format(Literal(f"({first},0)"), Literal(f"({end},0)"))


def has_ctid(ctids: Sequence[str]) -> Composed:
    """Return the condition that a row has one of these ctids."""
    return SQL("ctid = ANY ({}::tid[])").format(Literal(list(ctids)))


def ctids_of(table: Composable, condition: Composable) -> Composed:
    """Select the ctids of the rows that meet a condition."""
    return SQL("SELECT ctid::text FROM {} WHERE {}").format(table, condition)


def has_rows(table: Composable) -> Composed:
    """Select whether a table has any row."""
    return SQL("SELECT EXISTS (SELECT FROM {})").format(table)


# How the planner may join a source to a table. It has no statistics of a batch table just filled; a
# batch is small beside its table, so the index of the key is the right way.
JOIN_BY_KEY = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; "
JOIN_FREELY = "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; "


def merge(
    table: Composable,
    source: Composable,
    columns: Sequence[str],
    key: Sequence[str],
    *,
    has_index: bool,
) -> Composed:
    """Merge the rows of a source into a table; without a key, append them."""
    if not key:
        return insert_all(table, source, columns)
    write = upsert if has_index else upsert_without_index
    return write(table, source, columns, key)


def upsert(
    table: Composable, source: Composable, columns: Sequence[str], key: Sequence[str]
) -> Composed:
    """Insert the rows with new keys and replace those that differ.

    Rows are compared by their binary image, so that 1.10 replaces 1.1. Equal rows are found by the
    join and not touched: ON CONFLICT alone would lock each of them and write its page to the WAL.
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
        columns=column_list(columns),
        values=column_list(columns, NEW_ALIAS),
        source=source,
        new=NEW,
        old=OLD,
        same=_same_key(key),
        missing=Identifier(OLD_ALIAS, key[0]),
        differs=differs,
        key=column_list(key),
        action=action,
    )


def upsert_without_index(
    table: Composable, source: Composable, columns: Sequence[str], key: Sequence[str]
) -> Composed:
    """Do what `upsert` does, for a table that cannot have a unique index on its key.

    Its rows may share a key: of the keys that the source has, only the last row is kept.
    """
    changed = [name for name in columns if name not in key]
    steps: list[Composable] = [delete_duplicates(table, key, source)]
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
        column_list(columns, OLD_ALIAS), column_list(columns, NEW_ALIAS)
    )


def delete_matching(table: Composable, source: Composable, key: Sequence[str]) -> Composed:
    """Delete the rows whose key the source has."""
    return SQL("DELETE FROM {} AS {} USING {} AS {} WHERE {}").format(
        table, OLD, source, NEW, _same_key(key)
    )


def delete_marked(table: Composable, source: Composable, key: Sequence[str], mark: str) -> Composed:
    """Delete the rows that the source marks as deleted."""
    return SQL("{} AND {} IS NOT NULL").format(
        delete_matching(table, source, key), Identifier(NEW_ALIAS, mark)
    )


def insert_all(table: Composable, source: Composable, columns: Sequence[str]) -> Composed:
    """Insert all rows of a source."""
    return SQL("INSERT INTO {} ({}) SELECT {} FROM {} AS {}").format(
        table, column_list(columns), column_list(columns, NEW_ALIAS), source, NEW
    )


def delete_all(table: Composable) -> Composed:
    """Delete all rows; readers keep seeing them until the commit (unlike TRUNCATE)."""
    return SQL("DELETE FROM {}").format(table)


def delete_missing(table: Composable, source: Composable, key: Sequence[str]) -> Composed:
    """Delete the rows whose key the source lacks."""
    return SQL("DELETE FROM {} AS {} WHERE NOT EXISTS (SELECT FROM {} AS {} WHERE {})").format(
        table, OLD, source, NEW, _same_key(key)
    )


def mark_missing(
    table: Composable, source: Composable, key: Sequence[str], column: str
) -> Composed:
    """Mark the rows whose key the source lacks as deleted now; without a key, mark all."""
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
    """Empty an internal table."""
    return SQL("TRUNCATE {}").format(table)


def analyze(table: Composable) -> Composed:
    """Update the planner's statistics of an internal table."""
    return SQL("ANALYZE {}").format(table)


def rows_as_json(table: Composable, number: str) -> Composed:
    """Select rows as JSON objects, each with the value of a column that identifies it."""
    return SQL("SELECT {}, to_jsonb({})::text FROM {} AS {}").format(
        Identifier(NEW_ALIAS, number), NEW, table, NEW
    )


def rows_by_ctid(table: Composable, ctids: Sequence[str]) -> Composed:
    """Select the rows with these ctids as JSON objects."""
    return SQL("SELECT ctid::text, to_jsonb({})::text FROM {} AS {} WHERE {}").format(
        NEW, table, NEW, has_ctid(ctids)
    )


def create_withheld(table: Composable) -> Composed:
    """Create a table for withheld batches, stored uncompressed: they are soon read back."""
    return SQL(
        "CREATE TABLE {0} (number bigint, rows bytea, lines bytea);"
        "ALTER TABLE {0} ALTER rows SET STORAGE EXTERNAL, ALTER lines SET STORAGE EXTERNAL"
    ).format(table)


WITHHELD_COLUMNS = ("number", "rows", "lines")


def copy_withheld(table: Composable, first: int, last: int) -> Composed:
    """COPY withheld batches out, in order."""
    return SQL(
        "COPY (SELECT rows, lines FROM {} WHERE number BETWEEN {} AND {} ORDER BY number) "
        "TO STDOUT (FORMAT binary)"
    ).format(table, Literal(first), Literal(last))


def delete_withheld(table: Composable, first: int, last: int) -> Composed:
    """Delete withheld batches."""
    return SQL("DELETE FROM {} WHERE number BETWEEN {} AND {}").format(
        table, Literal(first), Literal(last)
    )
