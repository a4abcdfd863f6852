"""What the dataset schema says: its tables, which of their rows changed, and the application.

A row tells by its ``xmin`` which transaction wrote it, whoever wrote it and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from scout_dbt.planning.model_sql import Source, fact_of
from scout_dbt.planning.tables import Path, Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.planning.record_types import Kind

TABLES = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum),
           coalesce((SELECT array_agg(k.attname::text ORDER BY array_position(i.indkey, k.attnum))
                       FROM pg_index AS i
                       JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = ANY (i.indkey)
                      WHERE i.indrelid = c.oid AND i.indisprimary), '{}')
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
     GROUP BY c.oid, c.relname
"""
NAMES = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
MOMENT = """
    SELECT txid_snapshot_xmin(txid_current_snapshot()), txid_snapshot_xmax(txid_current_snapshot())
"""
# The number of the transaction that wrote a row: 32 bits are kept of it, the rest is told by now.
WRITTEN = """
    (xmin::text::bigint
     + CASE WHEN xmin::text::bigint > {low} THEN {before} ELSE {now} END)
"""
SCOPES = """
    SELECT coalesce({scope}, ''), {domain}, count(*), max({written}) FROM {table} AS s GROUP BY 1, 2
"""
TITLES = """
    SELECT coalesce({scope}, ''), max({document} ->> '@name') FROM {table}
     WHERE coalesce({scope}, '') = ANY (%s) GROUP BY 1
"""


@dataclass(frozen=True, kw_only=True)
class Now:
    """The moment from which on rows are new, as the number of a transaction."""

    oldest: int
    """Everything older has ended."""
    newest: int

    def written(self) -> sql.Composable:
        """Return the SQL of the transaction that wrote a row."""
        high = self.newest >> 32 << 32
        return sql.SQL(WRITTEN).format(
            low=sql.Literal(self.newest - high),
            before=sql.Literal(high - (1 << 32)),
            now=sql.Literal(high),
        )


@dataclass(frozen=True)
class Extent:
    """How many records of one scope there are, which transaction wrote last, their domains."""

    rows: int
    written: int
    domains: tuple[str, ...] = ()

    def plus(self, other: Extent) -> Extent:
        """Return what both are together."""
        return Extent(
            self.rows + other.rows,
            max(self.written, other.written),
            self.domains + other.domains,
        )


def now(cursor: Cursor) -> Now:
    """Return the present moment."""
    cursor.execute(MOMENT)
    oldest, newest = cursor.fetchone() or (0, 0)
    return Now(oldest=oldest, newest=newest)


def tables(cursor: Cursor) -> dict[str, Source]:
    """Return the tables of the dataset schema."""
    cursor.execute(TABLES)
    return {
        relation: Source(stream=relation, columns=frozenset(columns), keys=tuple(keys))
        for relation, columns, keys in cursor.fetchall()
    }


def names(cursor: Cursor) -> frozenset[str]:
    """Return the names that are taken in the dataset schema: of tables, views, indexes."""
    cursor.execute(NAMES)
    return frozenset(name for (name,) in cursor.fetchall())


def streams(cursor: Cursor, there: Iterable[str]) -> frozenset[str]:
    """Return the streams that were loaded: all tables, when no books were kept of it."""
    if "_scout_loads" in there:
        cursor.execute("SELECT DISTINCT stream FROM _scout_loads")
        return frozenset(stream for (stream,) in cursor.fetchall() if stream in there)
    return frozenset(name for name in there if not name.startswith("_scout_"))


def written(cursor: Cursor, names: Iterable[str], moment: Now) -> dict[str, str]:
    """Return by table what changes when a row of it is added, changed or removed."""
    found = {}
    for name in sorted(names):
        cursor.execute(
            sql.SQL("SELECT count(*), max({}) FROM {}").format(
                moment.written(), sql.Identifier(name)
            )
        )
        rows, last = cursor.fetchone() or (0, 0)
        found[name] = f"{rows} {last or 0}"
    return found


def extents(cursor: Cursor, kind: Kind, source: Source, moment: Now) -> dict[str, Extent]:
    """Return the scopes of a stream: case types or xmlns."""
    of_domain = next(fact for fact in kind.facts if fact.name == "domain")
    statement = sql.SQL(SCOPES).format(
        scope=sql.SQL(kind.scope),
        table=sql.Identifier(kind.stream),
        written=moment.written(),
        domain=sql.SQL(fact_of(of_domain, source, "s")),
    )
    cursor.execute(statement)
    found: dict[str, Extent] = {}
    for scope, domain, rows, last in cursor.fetchall():
        one = Extent(rows, last, (domain,) if domain else ())
        found[scope] = found[scope].plus(one) if scope in found else one
    return found


def titles(cursor: Cursor, kind: Kind, scopes: Iterable[str]) -> dict[str, str]:
    """Return what forms that no application knows call themselves."""
    wanted = list(scopes)
    if not wanted:
        return {}
    statement = sql.SQL(TITLES).format(
        scope=sql.SQL(kind.scope),
        document=sql.SQL(kind.document),
        table=sql.Identifier(kind.stream),
    )
    cursor.execute(statement, [wanted])
    return {scope: title for scope, title in cursor.fetchall() if title}


def rows(cursor: Cursor, statement: str, there: Mapping[str, Source], stream: str) -> list[Any]:
    """Return the rows of a stream, or none when it was not loaded."""
    if stream not in there:
        return []
    cursor.execute(statement)
    return list(cursor.fetchall())


def question(row: tuple[Any, ...]) -> Question:
    """Return a question of its row: path, type, tag, label, is_group, repeat, options."""
    path, kind, tag, label, is_group, repeat, options = row
    return Question(
        path=_path(path),
        type=kind,
        tag=tag,
        label=label,
        is_group=bool(is_group),
        repeat=_path(repeat) or None,
        options=tuple(
            (str(each.get("value")), str(each.get("label")))
            for each in options or []
            if isinstance(each, dict)
        ),
    )


def _path(text: str | None) -> Path:
    """Return the steps inside the form: the record begins inside of the root that paths name."""
    return tuple((text or "").split("/")[2:])
