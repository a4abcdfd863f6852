"""What the data looks like: properties of cases, paths of forms.

Only rows that were written since the last look are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from scout_control.modelling.form_tables import META
from scout_control.modelling.shapes import Path, Seen

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a type

    from scout_control.modelling.kinds import Kind
    from scout_control.modelling.reading import Now

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
        SELECT coalesce({scope}, ''), ARRAY[]::text[], {document} - 'meta', false
          FROM {table} WHERE {changed} AND jsonb_typeof({document}) = 'object'
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
