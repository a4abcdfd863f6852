"""What the data looks like: properties of cases, paths of forms.

Only rows that were written since the last look are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from scout_dbt.planning.form_tables import META
from scout_dbt.planning.tables import Path, Seen

if TYPE_CHECKING:
    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.dataset.introspection import Now
    from scout_dbt.planning.record_types import Kind

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
# What is in an object or a list, one row each; entries of a list have no key.
INSIDE = """
    SELECT key, value, jsonb_typeof(value) AS kind
      FROM jsonb_each(CASE WHEN jsonb_typeof(box.value) = 'object' THEN box.value ELSE '{}' END)
     UNION ALL
    SELECT NULL, value, jsonb_typeof(value)
      FROM jsonb_array_elements(
               CASE WHEN jsonb_typeof(box.value) = 'array' THEN box.value ELSE '[]' END)
"""
# Only objects and lists are walked through; what they hold is looked at in one go.
FORM_LOOK = """
    WITH RECURSIVE box (xmlns, path, value) AS (
        SELECT coalesce({scope}, ''), ARRAY[]::text[], {document} - 'meta'
          FROM {table} WHERE {changed} AND jsonb_typeof({document}) = 'object'
        UNION ALL
        SELECT box.xmlns, CASE WHEN step.key IS NULL THEN path ELSE path || step.key END, step.value
          FROM box CROSS JOIN LATERAL ({inside}) AS step
         WHERE step.kind IN ('object', 'array')
           AND NOT (step.key IS NOT DISTINCT FROM 'case'
                    AND (step.kind = 'array' OR step.value ?| {ids}))
    )
    SELECT xmlns, CASE WHEN leaf.key IS NULL THEN path ELSE path || leaf.key END,
           bool_or(kind = 'array'), bool_or(kind = 'object'),
           bool_or(btrim(text, E' \\t\\r\\n') <> ''),
           bool_or(leaf.key IS NOT DISTINCT FROM 'case'
                   AND (kind = 'array' OR (kind = 'object' AND leaf.value ?| {ids}))),
           max(octet_length(text))
      FROM box CROSS JOIN LATERAL (
           SELECT step.*, CASE WHEN kind NOT IN ('object', 'array', 'null')
                               THEN step.value #>> '{{}}' END AS text
             FROM ({inside}) AS step
           ) AS leaf
     GROUP BY xmlns, path, leaf.key
"""


def at_cases(
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


def at_forms(cursor: Cursor, kind: Kind, since: int, moment: Now) -> dict[str, dict[Path, Seen]]:
    """Return the paths of forms written since; some blocks at a time, so that memory is bounded."""
    cursor.execute(sql.SQL(BLOCKS).format(table=sql.Literal(kind.stream)))
    blocks = int((cursor.fetchone() or [0])[0])
    found: dict[str, dict[Path, Seen]] = defaultdict(dict)
    for first in range(0, blocks, BLOCKS_AT_ONCE):
        span = sql.SQL("ctid >= {} AND ctid < {} AND {}").format(
            sql.Literal(f"({first},0)"),
            sql.Literal(f"({first + BLOCKS_AT_ONCE},0)"),
            _since(since, moment),
        )
        statement = sql.SQL(FORM_LOOK).format(
            scope=sql.SQL(kind.scope),
            document=sql.SQL(kind.document),
            table=sql.Identifier(kind.stream),
            changed=span,
            inside=sql.SQL(INSIDE),
            ids=sql.SQL("ARRAY['@case_id', 'case_id']"),
        )
        cursor.execute(statement)
        for scope, *row in cursor.fetchall():
            path, seen = _of_path(row)
            if path and path[:1] != META:
                found[scope].setdefault(path, Seen()).take(seen)
    return found


def _of_path(row: list[Any]) -> tuple[Path, Seen]:
    """Return what a path shows; ``#text`` is the text of what is around it."""
    steps, many, tree, scalar, case, widest = row
    if steps and steps[-1] == "#text":
        seen = Seen(is_object=True, is_scalar=scalar or False, widest=widest or 0)
        return tuple(steps[:-1]), seen
    seen = Seen(
        is_many=many,
        is_object=tree,
        is_scalar=scalar or False,
        is_case=case,
        widest=widest or 0,
    )
    return tuple(steps), seen


def _since(since: int, moment: Now) -> sql.Composable:
    if since <= 0:
        return sql.SQL("true")
    return sql.SQL("{} >= {}").format(moment.written(), sql.Literal(since))
