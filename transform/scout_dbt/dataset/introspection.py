"""Reads a dataset schema: its tables, which of their rows changed, and form titles.

Which rows changed is read from their ``xmin``, the transaction that wrote them: so it does not
matter which program wrote them, and no column has to be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from scout_dbt.planning.model_sql import SourceTable, base_column_sql
from scout_dbt.planning.tables import Path, Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.planning.record_types import RecordType

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
SNAPSHOT = """
    SELECT txid_snapshot_xmin(txid_current_snapshot()), txid_snapshot_xmax(txid_current_snapshot())
"""
# Rows keep the lower 32 bits of a transaction id; the epoch follows from the present id.
FULL_XMIN = """
    (xmin::text::bigint
     + CASE WHEN xmin::text::bigint > {low} THEN {previous_epoch} ELSE {epoch} END)
"""
SCOPES = """
    SELECT coalesce({scope}, ''), {domain}, count(*), max({xmin}) FROM {table} AS s GROUP BY 1, 2
"""
TITLES = """
    SELECT coalesce({scope}, ''), max({document} ->> '@name') FROM {table}
     WHERE coalesce({scope}, '') = ANY (%s) GROUP BY 1
"""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The current time, expressed in transaction ids (64 bits)."""

    oldest: int
    """All transactions with a lower id have ended, so that what they wrote is visible."""
    newest: int

    def full_xmin(self) -> sql.Composable:
        """Return the SQL of the id of the transaction that wrote a row."""
        epoch = self.newest >> 32 << 32
        return sql.SQL(FULL_XMIN).format(
            low=sql.Literal(self.newest - epoch),
            previous_epoch=sql.Literal(epoch - (1 << 32)),
            epoch=sql.Literal(epoch),
        )


@dataclass(frozen=True)
class ScopeStats:
    """The records of one scope: how many, the last transaction that wrote one, their domains."""

    rows: int
    last_xid: int
    domains: tuple[str, ...] = ()

    def plus(self, other: ScopeStats) -> ScopeStats:
        """Return the sum of both."""
        return ScopeStats(
            self.rows + other.rows,
            max(self.last_xid, other.last_xid),
            self.domains + other.domains,
        )


def snapshot(cursor: Cursor) -> Snapshot:
    """Return the current snapshot."""
    cursor.execute(SNAPSHOT)
    oldest, newest = cursor.fetchone() or (0, 0)
    return Snapshot(oldest=oldest, newest=newest)


def source_tables(cursor: Cursor) -> dict[str, SourceTable]:
    """Return the tables of the schema by name."""
    cursor.execute(TABLES)
    return {
        relation: SourceTable(stream=relation, columns=frozenset(columns), keys=tuple(keys))
        for relation, columns, keys in cursor.fetchall()
    }


def relation_names(cursor: Cursor) -> frozenset[str]:
    """Return all names in use in the schema: of tables, views and indexes."""
    cursor.execute(NAMES)
    return frozenset(name for (name,) in cursor.fetchall())


def loaded_streams(cursor: Cursor, tables: Iterable[str]) -> frozenset[str]:
    """Return the streams that were loaded; all tables where the target kept no load log."""
    if "_scout_loads" in tables:
        cursor.execute("SELECT DISTINCT stream FROM _scout_loads")
        return frozenset(stream for (stream,) in cursor.fetchall() if stream in tables)
    return frozenset(name for name in tables if not name.startswith("_scout_"))


def change_marks(cursor: Cursor, tables: Iterable[str], moment: Snapshot) -> dict[str, str]:
    """Return a mark per table, which changes when a row is added, changed or removed."""
    marks = {}
    # A removed row changes the count, a new or changed one the highest id.
    for table in sorted(tables):
        cursor.execute(
            sql.SQL("SELECT count(*), max({}) FROM {}").format(
                moment.full_xmin(), sql.Identifier(table)
            )
        )
        rows, last_xid = cursor.fetchone() or (0, 0)
        marks[table] = f"{rows} {last_xid or 0}"
    return marks


def scopes(
    cursor: Cursor, record_type: RecordType, source: SourceTable, moment: Snapshot
) -> dict[str, ScopeStats]:
    """Return the scopes of a stream, case types or xmlns, with their records."""
    domain = next(each for each in record_type.base_columns if each.name == "domain")
    statement = sql.SQL(SCOPES).format(
        scope=sql.SQL(record_type.scope_sql),
        table=sql.Identifier(record_type.stream),
        xmin=moment.full_xmin(),
        domain=sql.SQL(base_column_sql(domain, source, "s")),
    )
    cursor.execute(statement)
    found: dict[str, ScopeStats] = {}
    for scope, domain_name, rows, last_xid in cursor.fetchall():
        stats = ScopeStats(rows, last_xid, (domain_name,) if domain_name else ())
        # One row per domain: a case type or form may exist in several.
        found[scope] = found[scope].plus(stats) if scope in found else stats
    return found


def form_titles(cursor: Cursor, record_type: RecordType, scopes: Iterable[str]) -> dict[str, str]:
    """Return the titles in submitted forms, by xmlns."""
    wanted = list(scopes)
    if not wanted:
        return {}
    statement = sql.SQL(TITLES).format(
        scope=sql.SQL(record_type.scope_sql),
        document=sql.SQL(record_type.document_sql),
        table=sql.Identifier(record_type.stream),
    )
    cursor.execute(statement, [wanted])
    return {scope: title for scope, title in cursor.fetchall() if title}


def stream_rows(
    cursor: Cursor, statement: str, tables: Mapping[str, SourceTable], stream: str
) -> list[Any]:
    """Return the rows of a query on a stream; none where the stream was not loaded."""
    if stream not in tables:
        return []
    cursor.execute(statement)
    return list(cursor.fetchall())


def to_question(row: tuple[Any, ...]) -> Question:
    """Return a question from a row of form_questions, without its xmlns."""
    path, question_type, tag, label, is_group, repeat, options, *translations = row
    return Question(
        path=_path(path),
        type=question_type,
        tag=tag,
        label=label,
        translations=translations[0] if translations else None,
        is_group=bool(is_group),
        repeat=_path(repeat) or None,
        options=tuple(
            (str(each["value"]), each.get("label"))
            for each in (options if isinstance(options, list) else ())
            if isinstance(each, dict) and each.get("value") is not None
        ),
    )


def _path(text: str | None) -> Path:
    """Return the steps of a path such as ``/data/group/question``, without its root."""
    return tuple((text or "").split("/")[2:])
