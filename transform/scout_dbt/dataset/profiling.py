"""Profiles the data: properties and indices of cases, paths of forms.

Only rows written since the last profiling are read; the results are added to the stored profiles.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from scout_dbt.planning.form_tables import META
from scout_dbt.planning.tables import Path, PathProfile

if TYPE_CHECKING:
    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.dataset.introspection import Snapshot
    from scout_dbt.planning.record_types import RecordType

BLOCKS = "SELECT ceil(pg_relation_size({table}::regclass) / current_setting('block_size')::numeric)"
BLOCKS_AT_ONCE = 4096
PROPERTIES = """
    SELECT coalesce(case_type, ''), each.key, max(octet_length(each.value))
      FROM {table}, jsonb_each_text(properties) AS each
     WHERE {is_new} AND jsonb_typeof(properties) = 'object'
     GROUP BY 1, 2
"""
INDICES = """
    SELECT coalesce(case_type, ''), each.key FROM {table}, jsonb_object_keys(indices) AS each (key)
     WHERE {is_new} AND jsonb_typeof(indices) = 'object' GROUP BY 1, 2
"""
# The members of an object or a list, one row each; those of a list have no key.
MEMBERS = """
    SELECT key, value, jsonb_typeof(value) AS kind
      FROM jsonb_each(CASE WHEN jsonb_typeof(box.value) = 'object' THEN box.value ELSE '{}' END)
     UNION ALL
    SELECT NULL, value, jsonb_typeof(value)
      FROM jsonb_array_elements(
               CASE WHEN jsonb_typeof(box.value) = 'array' THEN box.value ELSE '[]' END)
"""
# The recursion visits objects and lists only, and their members are read once at the end: with
# every scalar in the recursion its working table would be many times as large. Case blocks are
# not visited: they become one JSON column.
PATHS = """
    WITH RECURSIVE box (xmlns, path, value) AS (
        SELECT coalesce({scope}, ''), ARRAY[]::text[], {document} - 'meta'
          FROM {table} WHERE {is_new} AND jsonb_typeof({document}) = 'object'
        UNION ALL
        SELECT box.xmlns, CASE WHEN step.key IS NULL THEN path ELSE path || step.key END, step.value
          FROM box CROSS JOIN LATERAL ({members}) AS step
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
             FROM ({members}) AS step
           ) AS leaf
     GROUP BY xmlns, path, leaf.key
"""


def profile_cases(
    cursor: Cursor, since: int, moment: Snapshot, *, has_indices: bool
) -> tuple[dict[str, dict[str, PathProfile]], dict[str, dict[str, PathProfile]]]:
    """Return the profiles of properties and indices, by case type, of cases written since."""
    parts = {"table": sql.Identifier("cases"), "is_new": _written_since(since, moment)}
    properties: dict[str, dict[str, PathProfile]] = defaultdict(dict)
    cursor.execute(sql.SQL(PROPERTIES).format(**parts))
    for case_type, key, max_bytes in cursor.fetchall():
        properties[case_type][key] = PathProfile(is_scalar=True, max_bytes=max_bytes or 0)
    indices: dict[str, dict[str, PathProfile]] = defaultdict(dict)
    if has_indices:
        cursor.execute(sql.SQL(INDICES).format(**parts))
        for case_type, key in cursor.fetchall():
            indices[case_type][key] = PathProfile(is_object=True)
    return properties, indices


def profile_forms(
    cursor: Cursor, record_type: RecordType, since: int, moment: Snapshot
) -> dict[str, dict[Path, PathProfile]]:
    """Return the profiles of paths, by xmlns, of forms written since.

    The table is read some blocks at a time, which bounds the memory that the recursion takes.
    """
    cursor.execute(sql.SQL(BLOCKS).format(table=sql.Literal(record_type.stream)))
    blocks = int((cursor.fetchone() or [0])[0])
    found: dict[str, dict[Path, PathProfile]] = defaultdict(dict)
    for first in range(0, blocks, BLOCKS_AT_ONCE):
        is_new = sql.SQL("ctid >= {} AND ctid < {} AND {}").format(
            sql.Literal(f"({first},0)"),
            sql.Literal(f"({first + BLOCKS_AT_ONCE},0)"),
            _written_since(since, moment),
        )
        statement = sql.SQL(PATHS).format(
            scope=sql.SQL(record_type.scope_sql),
            document=sql.SQL(record_type.document_sql),
            table=sql.Identifier(record_type.stream),
            is_new=is_new,
            members=sql.SQL(MEMBERS),
            ids=sql.SQL("ARRAY['@case_id', 'case_id']"),
        )
        cursor.execute(statement)
        for xmlns, *row in cursor.fetchall():
            path, profile = to_profile(row)
            if path and path[:1] != META:
                found[xmlns].setdefault(path, PathProfile()).merge(profile)
    return found


def to_profile(row: list[Any]) -> tuple[Path, PathProfile]:
    """Return the profile of a row of PATHS; ``#text`` is the text of the element around it."""
    steps, is_list, is_object, is_scalar, is_case_block, max_bytes = row
    if steps and steps[-1] == "#text":
        profile = PathProfile(
            is_object=True, is_scalar=is_scalar or False, max_bytes=max_bytes or 0
        )
        return tuple(steps[:-1]), profile
    profile = PathProfile(
        is_list=is_list,
        is_object=is_object,
        is_scalar=is_scalar or False,
        is_case_block=is_case_block,
        max_bytes=max_bytes or 0,
    )
    return tuple(steps), profile


def _written_since(since: int, moment: Snapshot) -> sql.Composable:
    if since <= 0:
        return sql.SQL("true")
    return sql.SQL("{} >= {}").format(moment.full_xmin(), sql.Literal(since))
