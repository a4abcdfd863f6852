"""The views of an alias schema, as statements: pure functions of what a dataset schema holds.

A view reads its table through a function of SQL, which Postgres inlines, so that its plan is that
of the table. The text of such a function is no dependency: nothing that a load does to a table
(change the type of a column, drop it, put another in its place) is held up by an alias. What the
function reads is read as the role that asks, no matter who owns the view.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FUNCTION_PREFIX = "_scout_"
DIGEST_LENGTH = 32
FORMAT = "1"
"""Changes whenever the statements below do, so that the next run makes all views again."""
# Tables of the target, of generated models and of dbt's builds in progress.
INTERNAL = re.compile(r"_scout_|_sdc_|.*__dbt_")
STAGING = re.compile(r"stg_[a-z0-9_]+?__(.+)")
# Postgres would round or cut what no longer fits into these types, where it refuses others.
LOSSY_TYPES = frozenset(
    (
        *("smallint", "integer", "bigint", "real", "double precision"),
        *("date", "time without time zone", "timestamp without time zone"),
    )
)
MAX_COLUMNS = 100_000
"""Of all relations together: a writer could create any number."""
# Types that a writer created are shown as text: a column of such a type would hold it in place.
RELATIONS = """
    WITH class AS (
        SELECT oid, relname, sum(relnatts) OVER (ORDER BY relname) AS total
          FROM pg_class
         WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
           AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relispartition
    )
    SELECT relname, left(obj_description(class.oid, 'pg_class'), 2000),
           json_agg(json_build_array(
               attname, format_type(type.oid, NULL),
               typtype <> 'p' AND (
                   typnamespace = 'pg_catalog'::regnamespace OR EXISTS (
                       SELECT FROM pg_depend
                        WHERE classid = 'pg_type'::regclass AND deptype = 'e'
                          AND objid IN (type.oid, type.typelem)
                   )
               ),
               left(col_description(class.oid, attnum), 2000)
           ) ORDER BY attnum)
      FROM class
      JOIN pg_attribute ON attrelid = class.oid AND attnum > 0 AND NOT attisdropped
      JOIN pg_type AS type ON type.oid = atttypid
     WHERE total <= %s
     GROUP BY class.oid, relname
     ORDER BY relname
"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a relation."""

    name: str
    type: str
    """The type, as Postgres writes it."""
    is_kept: bool
    """Whether the type is kept; otherwise the column is shown as text."""
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A table or view of a dataset schema."""

    name: str
    columns: tuple[Column, ...]
    comment: str | None = None


def to_relation(row: Sequence[Any]) -> Relation:
    """Return a relation from a row of RELATIONS."""
    name, comment, columns = row
    return Relation(
        name=name,
        comment=comment,
        columns=tuple(
            Column(name=each[0], type=each[1], is_kept=each[2], comment=each[3]) for each in columns
        ),
    )


def to_be_read(relations: Iterable[Relation]) -> list[Relation]:
    """Return the relations that people read: models, and streams of which there is no model."""
    found = [each for each in relations if not INTERNAL.match(each.name)]
    modelled = {match[1] for each in found if (match := STAGING.fullmatch(each.name))}
    return [each for each in found if each.name not in modelled]


@dataclass(frozen=True, kw_only=True)
class AliasView:
    """The view of one relation in an alias schema."""

    alias: str
    schema: str
    """The dataset schema."""
    reader: str
    relation: Relation

    @property
    def function(self) -> str:
        """The name of its function, which changes with everything that the view is made of."""
        content = "\0".join((FORMAT, self.schema, self.reader, repr(self.relation)))
        digest = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()
        return f"{FUNCTION_PREFIX}{digest[:DIGEST_LENGTH]}"

    def statements(self) -> sql.Composed:
        """Return the statements that create it, or put it in place of an earlier one."""
        names = {
            "function": sql.Identifier(self.alias, self.function),
            "view": sql.Identifier(self.alias, self.relation.name),
            "reader": sql.Identifier(self.reader),
            "columns": sql.SQL(", ").join(map(_definition, self.relation.columns)),
            "body": sql.Literal(self._body()),
        }
        comments = [_comment("VIEW", names["view"], self.relation.comment)]
        comments += [
            _comment("COLUMN", self._column(each), each.comment)
            for each in self.relation.columns
            if each.comment is not None
        ]
        return sql.SQL("; ").join([sql.SQL(CREATE).format(**names), *comments])

    def drop(self) -> sql.Composed:
        """Return the statement that drops the view; it fails if anything depends on it."""
        return drop_view(self.alias, self.relation.name)

    def _column(self, column: Column) -> sql.Identifier:
        return sql.Identifier(self.alias, self.relation.name, column.name)

    def _body(self) -> str:
        table = sql.Identifier(self.schema, self.relation.name)
        columns = sql.SQL(", ").join(map(_expression, self.relation.columns))
        return sql.SQL("SELECT {} FROM {} AS t").format(columns, table).as_string(None)


CREATE = """
    CREATE FUNCTION {function}() RETURNS TABLE ({columns}) LANGUAGE sql STABLE AS {body};
    REVOKE ALL ON FUNCTION {function}() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION {function}() TO {reader};
    CREATE OR REPLACE VIEW {view} AS SELECT * FROM {function}();
    GRANT SELECT ON {view} TO {reader}
"""


def drop_view(alias: str, name: str) -> sql.Composed:
    """Return the statement that drops a view; it fails if anything depends on it."""
    return sql.SQL("DROP VIEW {}").format(sql.Identifier(alias, name))


def in_order_of(relation: Relation, columns: Sequence[str]) -> Relation:
    """Return a relation with columns in the order of a view: only at its end can it get new ones.

    Args:
        relation: The relation.
        columns: The columns of the view, as it is.
    """
    position = {name: number for number, name in enumerate(columns)}
    ordered = sorted(relation.columns, key=lambda each: position.get(each.name, len(position)))
    return Relation(name=relation.name, comment=relation.comment, columns=tuple(ordered))


def views_of(
    relations: Iterable[Relation],
    columns: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
) -> list[AliasView]:
    """Return the views of an alias schema.

    Args:
        relations: What the dataset schema holds.
        columns: The columns of the views that there are, by name.
        names: ``alias``, ``schema`` and ``reader``.
    """
    return [
        AliasView(relation=in_order_of(each, columns.get(each.name, ())), **names)
        for each in to_be_read(relations)
    ]


def _definition(column: Column) -> sql.Composed:
    # Types are already quoted by Postgres.
    shown = column.type if column.is_kept else "pg_catalog.text"
    return sql.SQL("{} ").format(sql.Identifier(column.name)) + _raw(shown)


def _expression(column: Column) -> sql.Composed:
    name = sql.Identifier("t", column.name)
    if not column.is_kept:
        return sql.SQL("{}::pg_catalog.text").format(name)
    if column.type not in LOSSY_TYPES:
        return sql.SQL("{}").format(name)
    # Never executed: its arguments must be of one type, so that a column whose type a load has
    # just changed is an error until the end of the run, instead of a rounded value.
    check = sql.SQL("CASE WHEN false THEN (pg_catalog.array_larger(NULL::{}[], ARRAY[{}]))[1]")
    return check.format(_raw(column.type), name) + sql.SQL(" ELSE {} END").format(name)


def _comment(kind: str, name: sql.Identifier | sql.Composable, text: str | None) -> sql.Composed:
    statement = sql.SQL("COMMENT ON {} {} IS {}")
    return statement.format(_raw(kind), name, sql.Literal(text))


def _raw(text: str) -> sql.SQL:
    return sql.SQL(text)  # from Postgres itself, or a constant
