"""What is remembered in the dataset schema between builds: models, names, what data showed."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2.extras import execute_values

from scout_dbt.planning.question_types import PLACE_PARTS
from scout_dbt.planning.table_plan import Memory
from scout_dbt.planning.tables import Path, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.planning.tables import Model

CREATE = """
    CREATE TABLE IF NOT EXISTS _scout_models (
        name text PRIMARY KEY, key text NOT NULL UNIQUE, definition jsonb NOT NULL,
        fingerprint text, watermark bigint, rows bigint, built_at timestamptz
    );
    CREATE TABLE IF NOT EXISTS _scout_seen (
        stream text, scope text, path text[], is_many boolean, is_object boolean,
        is_scalar boolean, is_case boolean, widest bigint, PRIMARY KEY (stream, scope, path)
    );
    CREATE TABLE IF NOT EXISTS _scout_marks (name text PRIMARY KEY, mark text NOT NULL);
"""
REMEMBER = """
    INSERT INTO _scout_seen AS was VALUES %s
    ON CONFLICT (stream, scope, path) DO UPDATE SET
        is_many = was.is_many OR excluded.is_many,
        is_object = was.is_object OR excluded.is_object,
        is_scalar = was.is_scalar OR excluded.is_scalar,
        is_case = was.is_case OR excluded.is_case,
        widest = greatest(was.widest, excluded.widest)
"""
RESERVE = "INSERT INTO _scout_models (name, key, definition) VALUES %s ON CONFLICT DO NOTHING"
SAVE = """
    INSERT INTO _scout_models AS was (name, key, definition, fingerprint, watermark, rows, built_at)
    VALUES (%s, %s, %s, %s, %s, %s, now())
    ON CONFLICT (key) DO UPDATE SET name = excluded.name, definition = excluded.definition,
        fingerprint = excluded.fingerprint, watermark = excluded.watermark, rows = excluded.rows,
        built_at = excluded.built_at
"""
BUILT = """
    SELECT key, name, coalesce(fingerprint, ''),
           CASE WHEN watermark <= %s THEN watermark ELSE 0 END, coalesce(rows, -1), definition
      FROM _scout_models
"""
MARK = """
    INSERT INTO _scout_marks VALUES (%s, %s)
    ON CONFLICT (name) DO UPDATE SET mark = excluded.mark
"""


@dataclass(frozen=True, kw_only=True)
class Built:
    """A model as it was built last."""

    key: str
    name: str
    fingerprint: str
    watermark: int
    rows: int
    definition: dict[str, Any]


def create(cursor: Cursor) -> None:
    """Make the tables that remember, where they are missing."""
    cursor.execute("SELECT to_regclass('_scout_models'), to_regclass('_scout_marks')")
    if None in (cursor.fetchone() or [None]):
        cursor.execute(CREATE)


def built(cursor: Cursor, oldest: int) -> dict[str, Built]:
    """Return the models that were built, by the key of their table.

    Args:
        cursor: In the dataset schema.
        oldest: The present moment; what was built after it was built on another server, whose
            transactions had other numbers, and counts as not built.
    """
    cursor.execute(BUILT, [oldest])
    return {
        key: Built(
            key=key,
            name=name,
            fingerprint=fingerprint,
            watermark=watermark,
            rows=rows,
            definition=definition,
        )
        for key, name, fingerprint, watermark, rows, definition in cursor.fetchall()
    }


def memory(models: Mapping[str, Built]) -> Memory:
    """Return the names that were given before."""
    columns: dict[str, dict[str, str]] = {}
    for key, model in models.items():
        given = columns.setdefault(key, {})
        for each in (*model.definition["indices"], *model.definition["columns"]):
            given[each["key"]] = each["name"]
            parts = zip(PLACE_PARTS, each["parts"], strict=False)
            given |= {f"{each['key']}#{part}": name for part, name in parts}
    return Memory(tables={key: model.name for key, model in models.items()}, columns=columns)


def reserve(cursor: Cursor, models: Iterable[Model]) -> None:
    """Remember the names of models before they are built, whatever becomes of the build."""
    rows = [
        (model.table.name, model.table.key, json.dumps(model.definition(), ensure_ascii=False))
        for model in models
    ]
    execute_values(cursor, RESERVE, rows)


def save(cursor: Cursor, model: Model, watermark: int, rows: int) -> None:
    """Remember that a model was built from everything older than a moment."""
    definition = json.dumps(model.definition(), ensure_ascii=False)
    table = model.table
    cursor.execute(SAVE, [table.name, table.key, definition, model.fingerprint, watermark, rows])


def marks(cursor: Cursor) -> dict[str, str]:
    """Return short facts by name."""
    cursor.execute("SELECT name, mark FROM _scout_marks")
    return dict(cursor.fetchall())


def mark(cursor: Cursor, name: str, value: str) -> None:
    """Remember a short fact."""
    cursor.execute(MARK, [name, value])


def seen(cursor: Cursor) -> dict[str, dict[str, dict[Path, Seen]]]:
    """Return what data has shown so far: by stream, scope and path."""
    cursor.execute("SELECT * FROM _scout_seen")
    found: dict[str, dict[str, dict[Path, Seen]]] = defaultdict(lambda: defaultdict(dict))
    for stream, scope, path, many, tree, scalar, case, widest in cursor.fetchall():
        found[stream][scope][tuple(path)] = Seen(
            is_many=many, is_object=tree, is_scalar=scalar, is_case=case, widest=widest
        )
    return found


def remember(cursor: Cursor, stream: str, found: Iterable[tuple[str, Path, Seen]]) -> None:
    """Add what data showed this time."""
    rows = [
        (
            stream,
            scope,
            list(path),
            seen.is_many,
            seen.is_object,
            seen.is_scalar,
            seen.is_case,
            seen.widest,
        )
        for scope, path, seen in found
    ]
    execute_values(cursor, REMEMBER, rows, template="(%s,%s,%s::text[],%s,%s,%s,%s,%s)")
