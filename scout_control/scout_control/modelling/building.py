"""One build: generate, tell dbt what there is to do, remember what it did, describe the result.

Works as the role that loads: it owns the dataset schema's tables and may reach no other schema.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import parse_dsn
from psycopg2.extras import execute_values

from scout_control.modelling import catalog, documents, generating, package, state
from scout_control.modelling.custom import FOLDER
from scout_control.rules import session_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a type

    from scout_control.modelling.generating import Generated
    from scout_control.modelling.shapes import Model

PROJECT_MARK, DATA_MARK = "project", "data of "
DUE = """
    CREATE TABLE IF NOT EXISTS _scout_due (name text PRIMARY KEY, watermark bigint);
    DELETE FROM _scout_due;
"""
PRESENT = """
    SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
       AND relkind IN ('r', 'v')
"""
VIEWS = "SELECT table_name FROM _scout_catalog WHERE position = 0 AND kind = 'view'"
SOURCE_CODE = (".sql", ".yml", ".csv", ".md", ".py")


@dataclass(frozen=True, kw_only=True)
class Build:
    """What there is to do for one dataset schema."""

    schema: str
    generated: Generated
    due: frozenset[str]
    """Generated models with work."""
    marks: Mapping[str, str]
    """What tells the hand-written models and the data of each stream from those of another time."""
    changed: frozenset[str]
    """Streams whose rows are not those of the last complete build."""
    is_new: bool
    """Whether hand-written models have to be built, whatever changed."""

    @property
    def is_idle(self) -> bool:
        """Tell whether all models are as a build would make them."""
        return not (self.due or self.changed or self.is_new)

    @property
    def streams(self) -> frozenset[str]:
        """Return the streams that were loaded."""
        return frozenset(self.generated.streams)

    def selection(self, custom: frozenset[str]) -> list[str]:
        """Return the options of dbt that leave out what would come out as it is.

        Args:
            custom: Names of models of users; they may read anything.
        """
        if self.is_new:
            names = {model.table.name for model in self.generated.models} - self.due
            return ["--exclude", *sorted(names)] if names else []
        checked = (f"stg_*__{stream}+,resource_type:test" for stream in self.changed)
        wanted = {*self.due, *custom, *checked}  # views are as they were: readers wait for none
        return ["--select", *sorted(wanted), "--indirect-selection", "eager"]


@contextmanager
def opened(
    conninfo: str, schema: str, settings: Iterable[session_settings.Setting] = ()
) -> Iterator[Cursor]:
    """Open a transaction in a dataset schema."""
    told = parse_dsn(conninfo).get("options") or ""
    connection = psycopg2.connect(
        conninfo,
        application_name="scout models",
        connect_timeout=10,
        options=f"{told} {session_settings.options(settings)}",
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
            cursor.execute("SET client_min_messages TO warning")
            yield cursor
    finally:
        connection.close()


def prepare(
    cursor: Cursor,
    schema: str,
    project: Path,
    packages: Path,
    source: str,
    custom: bytes = b"",
) -> Build | None:
    """Generate the models into a folder of packages and find out what there is to do.

    Args:
        cursor: In the dataset schema.
        schema: The dataset schema.
        project: The dbt project.
        packages: The folder.
        source: What the data is of.
        custom: What changes when the models of users do.

    Returns:
        Nothing when the dataset schema is not there yet.
    """
    cursor.execute("SELECT current_schema()")
    if cursor.fetchone() != (schema,):
        return None
    generated = generating.generate(cursor, source)
    state.reserve(cursor, generated.models)
    package.write(generated.models, packages)
    cursor.execute(PRESENT)
    present = {name for (name,) in cursor.fetchall()}
    due = [
        model
        for model in generated.models
        if generated.is_due(model) or model.table.name not in present
    ]
    _announce(cursor, generated, due)
    data = {f"{DATA_MARK}{stream}": mark for stream, mark in generated.streams.items()}
    marks = {PROJECT_MARK: _digest(project, generated.streams, custom), **data}
    known = state.marks(cursor)
    return Build(
        schema=schema,
        generated=generated,
        due=frozenset(model.table.name for model in due),
        marks=marks,
        changed=frozenset(
            name.removeprefix(DATA_MARK) for name, mark in data.items() if known.get(name) != mark
        ),
        is_new=known.get(PROJECT_MARK) != marks[PROJECT_MARK] or not _views(cursor) <= present,
    )


def _announce(cursor: Cursor, generated: Generated, due: list[Model]) -> None:
    """Tell each model with work up to which moment it holds everything; none: build it anew."""
    cursor.execute(DUE)
    rows = []
    for model in due:
        was = generated.built.get(model.table.key)
        is_same = (
            was is not None
            and was.fingerprint == model.fingerprint
            and was.name == model.table.name
            and was.watermark > 0
        )
        rows.append((model.table.name, was.watermark if was and is_same else None))
    execute_values(cursor, "INSERT INTO _scout_due VALUES %s", rows)


def _views(cursor: Cursor) -> set[str]:
    """Return the views that were there after the last build."""
    cursor.execute("SELECT to_regclass('_scout_catalog')")
    if cursor.fetchone() == (None,):
        return set()
    cursor.execute(VIEWS)
    return {name for (name,) in cursor.fetchall()}


def finish(
    cursor: Cursor,
    build: Build,
    project: Path,
    outcomes: Mapping[str, str],
    *,
    is_complete: bool,
) -> None:
    """Remember what was built, and describe what there is.

    Args:
        cursor: In the dataset schema.
        build: What there was to do.
        project: The dbt project.
        outcomes: How each model ended, by its name.
        is_complete: Whether nothing failed and nothing was left out.
    """
    for model in build.generated.models:
        if outcomes.get(model.table.name) == "success":
            state.save(cursor, model, build.generated.moment.oldest, build.generated.rows(model))
    if is_complete:
        for name, mark in build.marks.items():
            state.mark(cursor, name, mark)
    models = build.generated.models
    tables, joins = documents.of_project(project / "models", build.generated.source_type)
    catalog.describe(cursor, {name: tables[name] for name in tables.keys() & build.streams})
    catalog.comment(cursor, models)
    catalog.refresh(cursor, models, [*joins, *documents.of_models(models)])


def describe(conninfo: str, schema: str) -> None:
    """Describe what there is in a dataset schema that no models are built in."""
    with opened(conninfo, schema, session_settings.WRITER) as cursor:
        catalog.refresh(cursor, (), ())


def _digest(project: Path, streams: Iterable[str], custom: bytes) -> str:
    """Return what changes when hand-written models, tests or streams change."""
    known = hashlib.sha256("\n".join(sorted(streams)).encode() + custom)
    folders = ("models", "macros", "tests", "seeds", "snapshots", "analyses")
    files = [
        project / "dbt_project.yml",
        *(f for name in folders for f in (project / name).rglob("*")),
    ]
    for file in sorted(files):
        is_ours = not file.is_relative_to(project / FOLDER)
        if is_ours and file.suffix in SOURCE_CODE and file.is_file():
            known.update(str(file.relative_to(project)).encode() + b"\0" + file.read_bytes())
    return known.hexdigest()
