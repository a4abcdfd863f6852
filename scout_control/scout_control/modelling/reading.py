"""What the dataset schema says: its tables, the application, and what the data looks like.

Only rows that changed since the last look are looked at: a row tells by its ``xmin`` which
transaction wrote it, whoever wrote it and why.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from scout_control.modelling.planning import META
from scout_control.modelling.shapes import Path, Question, Seen
from scout_control.modelling.statements import KINDS, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a type

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
MOMENT = """
    SELECT txid_snapshot_xmin(txid_current_snapshot()), txid_snapshot_xmax(txid_current_snapshot())
"""
# The number of the transaction that wrote a row: 32 bits are kept of it, the rest is told by now.
WRITTEN = """
    (xmin::text::bigint
     + CASE WHEN xmin::text::bigint > {low} THEN {before} ELSE {now} END)
"""
SCOPES = """
    SELECT coalesce({scope}, ''), count(*), max({written}) FROM {table} GROUP BY 1
"""
BLOCKS = "SELECT ceil(pg_relation_size({table}::regclass) / current_setting('block_size')::numeric)"
BLOCKS_AT_ONCE = 4096
CASE_LOOK = """
    SELECT coalesce(case_type, ''), each.key, max(octet_length(each.value))
      FROM {table}, jsonb_each_text(properties) AS each
     WHERE {changed} AND jsonb_typeof(properties) = 'object'
     GROUP BY 1, 2
"""
INDEX_LOOK = """
    SELECT coalesce(case_type, ''), each.key FROM {table}, jsonb_object_keys(indices) AS each (key)
     WHERE {changed} AND jsonb_typeof(indices) = 'object' GROUP BY 1, 2
"""
FORM_LOOK = """
    WITH RECURSIVE walk (xmlns, path, value, is_case) AS (
        SELECT coalesce(xmlns, ''), ARRAY[]::text[], form_data - 'meta', false
          FROM {table} WHERE {changed} AND jsonb_typeof(form_data) = 'object'
        UNION ALL
        SELECT walk.xmlns, path || step.key, step.value,
               step.key = ARRAY['case']
               AND (jsonb_typeof(step.value) = 'array' OR step.value ?| {ids})
          FROM walk
         CROSS JOIN LATERAL (
               SELECT ARRAY[key] AS key, value
                 FROM jsonb_each(CASE WHEN jsonb_typeof(walk.value) = 'object'
                                      THEN walk.value ELSE '{{}}' END)
                UNION ALL
               SELECT ARRAY[]::text[], value
                 FROM jsonb_array_elements(CASE WHEN jsonb_typeof(walk.value) = 'array'
                                                THEN walk.value ELSE '[]' END)
               ) AS step
         WHERE NOT is_case
    )
    SELECT xmlns, path, bool_or(jsonb_typeof(value) = 'array'),
           bool_or(jsonb_typeof(value) = 'object'),
           bool_or(jsonb_typeof(value) NOT IN ('array', 'object', 'null')
                   AND value #>> '{{}}' ~ '\\S'),
           bool_or(is_case), max(octet_length(value #>> '{{}}'))
      FROM walk GROUP BY xmlns, path
"""
TITLES = """
    SELECT coalesce(xmlns, ''), max(form_data ->> '@name') FROM forms
     WHERE coalesce(xmlns, '') = ANY (%s) GROUP BY 1
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
    """How many rows of one scope there are, and which transaction wrote last."""

    rows: int
    written: int


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


def streams(cursor: Cursor) -> frozenset[str]:
    """Return the streams that were loaded: all tables, when no books were kept of it."""
    there = set(tables(cursor))
    if "_scout_loads" in there:
        cursor.execute("SELECT DISTINCT stream FROM _scout_loads")
        return frozenset(stream for (stream,) in cursor.fetchall() if stream in there)
    return frozenset(name for name in there if not name.startswith("_scout_"))


def data(cursor: Cursor, names: Iterable[str], moment: Now) -> str:
    """Return what changes when a row of a stream is added, changed or removed."""
    found = []
    for name in sorted(names):
        cursor.execute(
            sql.SQL("SELECT count(*), max({}) FROM {}").format(
                moment.written(), sql.Identifier(name)
            )
        )
        found.append(f"{name} {cursor.fetchone()}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def extents(cursor: Cursor, kind: str, moment: Now) -> dict[str, Extent]:
    """Return the scopes of a stream: case types or xmlns."""
    statement = sql.SQL(SCOPES).format(
        scope=sql.Identifier(KINDS[kind].scope),
        table=sql.Identifier(KINDS[kind].stream),
        written=moment.written(),
    )
    cursor.execute(statement)
    return {scope: Extent(rows, written) for scope, rows, written in cursor.fetchall()}


def look_at_cases(
    cursor: Cursor, since: int, moment: Now, *, has_indices: bool
) -> tuple[dict[str, dict[str, Seen]], dict[str, dict[str, Seen]]]:
    """Return properties and indices of cases written since."""
    parts = {"table": sql.Identifier("cases"), "changed": _since(since, moment)}
    properties: dict[str, dict[str, Seen]] = defaultdict(dict)
    cursor.execute(sql.SQL(CASE_LOOK).format(**parts))
    for scope, key, widest in cursor.fetchall():
        properties[scope][key] = Seen(is_scalar=True, widest=widest or 0)
    indices: dict[str, dict[str, Seen]] = defaultdict(dict)
    if has_indices:
        cursor.execute(sql.SQL(INDEX_LOOK).format(**parts))
        for scope, key in cursor.fetchall():
            indices[scope][key] = Seen(is_object=True)
    return properties, indices


def look_at_forms(cursor: Cursor, since: int, moment: Now) -> dict[str, dict[Path, Seen]]:
    """Return the paths of forms written since; some blocks at a time, so that memory is bounded."""
    cursor.execute(sql.SQL(BLOCKS).format(table=sql.Literal("forms")))
    blocks = int((cursor.fetchone() or [0])[0])
    found: dict[str, dict[Path, Seen]] = defaultdict(dict)
    for first in range(0, blocks, BLOCKS_AT_ONCE):
        span = sql.SQL("ctid >= {} AND ctid < {} AND {}").format(
            sql.Literal(f"({first},0)"),
            sql.Literal(f"({first + BLOCKS_AT_ONCE},0)"),
            _since(since, moment),
        )
        ids = sql.SQL("ARRAY['@case_id', 'case_id']")
        cursor.execute(
            sql.SQL(FORM_LOOK).format(table=sql.Identifier("forms"), changed=span, ids=ids)
        )
        for scope, steps, many, tree, scalar, case, widest in cursor.fetchall():
            seen = Seen(
                is_many=many,
                is_object=tree,
                is_scalar=scalar or False,
                is_case=case,
                widest=widest or 0,
            )
            path = tuple(steps)
            if path and path[-1] == "#text":  # the text of what is around it
                path, seen = path[:-1], Seen(is_object=True, is_scalar=scalar, widest=widest or 0)
            if path and path[:1] != META:
                found[scope].setdefault(path, Seen()).take(seen)
    return found


def _since(since: int, moment: Now) -> sql.Composable:
    if since <= 0:
        return sql.SQL("true")
    return sql.SQL("{} >= {}").format(moment.written(), sql.Literal(since))


def titles(cursor: Cursor, scopes: Iterable[str]) -> dict[str, str]:
    """Return what forms that no application knows call themselves."""
    wanted = list(scopes)
    if not wanted:
        return {}
    cursor.execute(TITLES, [wanted])
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
