"""Tables in the dataset schema that keep the metadata of builds: models, marks and profiles."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2.extras import execute_values

from scout_dbt.planning.question_types import GPS_PARTS
from scout_dbt.planning.table_plan import AssignedNames
from scout_dbt.planning.tables import Path, PathProfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.planning.tables import Model, Table

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
ADD_PROFILES = """
    INSERT INTO _scout_seen AS was VALUES %s
    ON CONFLICT (stream, scope, path) DO UPDATE SET
        is_many = was.is_many OR excluded.is_many,
        is_object = was.is_object OR excluded.is_object,
        is_scalar = was.is_scalar OR excluded.is_scalar,
        is_case = was.is_case OR excluded.is_case,
        widest = greatest(was.widest, excluded.widest)
"""
PROFILES = """
    SELECT stream, scope, path, is_many, is_object, is_scalar, is_case, widest FROM _scout_seen
"""
# Models that were built before keep their row: its watermark is still valid.
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
SET_MARK = """
    INSERT INTO _scout_marks VALUES (%s, %s)
    ON CONFLICT (name) DO UPDATE SET mark = excluded.mark
"""


@dataclass(frozen=True, kw_only=True)
class BuiltModel:
    """A model as last built, or as reserved by a build that did not finish."""

    key: str
    name: str
    fingerprint: str
    watermark: int
    """The table holds all rows of transactions before it; 0 if it has to be rebuilt."""
    rows: int
    """How many records it was built from; -1 before the first build."""
    definition: dict[str, Any]

    def is_of(self, model: Model) -> bool:
        """Return whether a model would build the same table under the same name."""
        return self.fingerprint == model.fingerprint and self.name == model.table.name


def create_tables(cursor: Cursor) -> None:
    """Create the tables of this module where they are missing."""
    cursor.execute("SELECT to_regclass('_scout_models'), to_regclass('_scout_marks')")
    if None in (cursor.fetchone() or [None]):
        cursor.execute(CREATE)


def built_models(cursor: Cursor, oldest: int) -> dict[str, BuiltModel]:
    """Return the models of earlier builds, by the key of their table.

    Args:
        cursor: In the dataset schema.
        oldest: The present transaction id. A model with a later watermark was built on another
            server (the schema was restored from there), whose ids mean nothing here.
    """
    cursor.execute(BUILT, [oldest])
    return {
        key: BuiltModel(
            key=key,
            name=name,
            fingerprint=fingerprint,
            watermark=watermark,
            rows=rows,
            definition=definition,
        )
        for key, name, fingerprint, watermark, rows, definition in cursor.fetchall()
    }


def assigned_names(models: Mapping[str, BuiltModel]) -> AssignedNames:
    """Return the names of tables and columns from earlier builds."""
    columns: dict[str, dict[str, str]] = {}
    for key, model in models.items():
        names = columns.setdefault(key, {})
        for each in (*model.definition["indices"], *model.definition["columns"]):
            names[each["key"]] = each["name"]
            gps_columns = zip(GPS_PARTS, each["parts"], strict=False)
            names |= {f"{each['key']}#{part}": name for part, name in gps_columns}
    return AssignedNames(tables={key: model.name for key, model in models.items()}, columns=columns)


def reserve_names(cursor: Cursor, models: Iterable[Model]) -> None:
    """Record the names of models before they are built, so that no failed build loses them."""
    rows = [(model.table.name, model.table.key, _definition(model.table)) for model in models]
    execute_values(cursor, RESERVE, rows)


def save(cursor: Cursor, model: Model, watermark: int, rows: int) -> None:
    """Record that a model was built from all rows of transactions before the watermark."""
    table = model.table
    values = [table.name, table.key, _definition(table), model.fingerprint, watermark, rows]
    cursor.execute(SAVE, values)


def _definition(table: Table) -> str:
    return json.dumps(table.definition(), ensure_ascii=False)


def marks(cursor: Cursor) -> dict[str, str]:
    """Return the marks of earlier builds by name."""
    cursor.execute("SELECT name, mark FROM _scout_marks")
    return dict(cursor.fetchall())


def set_mark(cursor: Cursor, name: str, mark: str) -> None:
    """Record a mark."""
    cursor.execute(SET_MARK, [name, mark])


def path_profiles(cursor: Cursor) -> dict[str, dict[str, dict[Path, PathProfile]]]:
    """Return the stored profiles by stream, scope and path."""
    cursor.execute(PROFILES)
    found: dict[str, dict[str, dict[Path, PathProfile]]] = defaultdict(lambda: defaultdict(dict))
    for stream, scope, path, is_list, is_object, is_scalar, is_case, widest in cursor.fetchall():
        found[stream][scope][tuple(path)] = PathProfile(
            is_list=is_list,
            is_object=is_object,
            is_scalar=is_scalar,
            is_case_block=is_case,
            max_bytes=widest,
        )
    return found


def add_profiles(
    cursor: Cursor, stream: str, profiles: Iterable[tuple[str, Path, PathProfile]]
) -> None:
    """Add profiles, given with their scope and path, to the stored ones."""
    rows = [
        (
            stream,
            scope,
            list(path),
            profile.is_list,
            profile.is_object,
            profile.is_scalar,
            profile.is_case_block,
            profile.max_bytes,
        )
        for scope, path, profile in profiles
    ]
    execute_values(cursor, ADD_PROFILES, rows, template="(%s,%s,%s::text[],%s,%s,%s,%s,%s)")
