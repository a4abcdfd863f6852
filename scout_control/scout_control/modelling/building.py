"""One build: generate, tell dbt what there is to do, remember what it did, describe the result.

Works as the role that loads: it owns the dataset schema's tables and may reach no other schema.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql
from psycopg2.extras import execute_values

from scout_control.modelling import catalog, generating, package, reading, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a type

    from scout_control.modelling.generating import Generated

PROJECT_MARK, DATA_MARK = "project", "data"
DUE = """
    CREATE TABLE IF NOT EXISTS _scout_due (name text PRIMARY KEY, watermark bigint);
    DELETE FROM _scout_due;
"""
PRESENT = """
    SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
       AND relkind IN ('r', 'v')
"""
DONE = frozenset({"success", "pass", "warn"})
SOURCE_CODE = (".sql", ".yml", ".csv", ".md", ".py")


@dataclass(frozen=True, kw_only=True)
class Build:
    """What there is to do for one dataset schema."""

    schema: str
    generated: Generated
    due: frozenset[str]
    """Generated models with work."""
    streams: frozenset[str]
    marks: dict[str, str]
    """Digests of the hand-written models and of the data."""
    is_new: bool
    """Whether one of them is not that of the last build."""

    @property
    def is_idle(self) -> bool:
        """Tell whether all models are as a build would make them."""
        return not self.due and not self.is_new


@contextmanager
def opened(conninfo: str, schema: str) -> Iterator[Cursor]:
    """Open a transaction in a dataset schema."""
    connection = psycopg2.connect(conninfo, application_name="scout models", connect_timeout=10)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
            cursor.execute("SET client_min_messages TO warning")
            yield cursor
    finally:
        connection.close()


def prepare(cursor: Cursor, schema: str, project: Path, packages: Path) -> Build | None:
    """Generate the models into a folder of packages and find out what there is to do.

    Returns:
        Nothing when the dataset schema is not there yet.
    """
    cursor.execute("SELECT current_schema()")
    if cursor.fetchone() != (schema,):
        return None
    generated = generating.generate(cursor)
    package.write(generated.models, packages)
    cursor.execute(PRESENT)
    present = {name for (name,) in cursor.fetchall()}
    due = [
        model
        for model in generated.models
        if generated.is_due(model) or model.table.name not in present
    ]
    cursor.execute(DUE)
    built = generated.built
    execute_values(
        cursor,
        "INSERT INTO _scout_due VALUES %s",
        [
            (
                model.table.name,
                was.watermark
                if (was := built.get(model.table.key))
                and was.fingerprint == model.fingerprint
                and was.name == model.table.name
                and was.watermark > 0
                else None,
            )
            for model in due
        ],
    )
    streams = reading.streams(cursor) - {model.table.name for model in generated.models}
    marks = {
        PROJECT_MARK: _digest(project, streams),
        DATA_MARK: reading.data(cursor, streams, generated.moment),
    }
    known = state.marks(cursor)
    return Build(
        schema=schema,
        generated=generated,
        due=frozenset(model.table.name for model in due),
        streams=streams,
        marks=marks,
        is_new=any(known.get(name) != mark for name, mark in marks.items()),
    )


def finish(cursor: Cursor, build: Build, results: Path, *, is_complete: bool) -> None:
    """Remember what was built, and describe what there is."""
    outcomes = outcome(results)
    for model in build.generated.models:
        if outcomes.get(model.table.name) == "success":
            state.save(cursor, model, build.generated.moment.oldest, build.generated.rows(model))
    if is_complete:
        for name, mark in build.marks.items():
            state.mark(cursor, name, mark)
    catalog.comment(cursor, build.generated.models)
    catalog.refresh(cursor, build.generated.models)


def outcome(results: Path) -> dict[str, str]:
    """Return how each model ended."""
    try:
        told = json.loads(results.read_text(encoding="utf-8"))["results"]
    except (OSError, ValueError, KeyError):
        return {}
    return {each["unique_id"].rpartition(".")[2]: each["status"] for each in told}


def _digest(project: Path, streams: frozenset[str]) -> str:
    """Return what changes when hand-written models, tests or streams change."""
    known = hashlib.sha256("\n".join(sorted(streams)).encode())
    folders = ("models", "macros", "tests", "seeds", "snapshots", "analyses")
    files = [
        project / "dbt_project.yml",
        *(f for name in folders for f in (project / name).rglob("*")),
    ]
    for file in sorted(files):
        if file.suffix in SOURCE_CODE and file.is_file():
            known.update(str(file.relative_to(project)).encode() + b"\0" + file.read_bytes())
    return known.hexdigest()
