"""A build: generates the models, selects those that dbt has to build, records the result.

All of it runs as the role that loads: it owns the tables of the dataset schema and can access no
other schema.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2.extras import execute_values

from scout_dbt import generator
from scout_dbt.dataset import build_metadata, data_dictionary, documentation, outdated
from scout_dbt.project import dbt_package, model_needs, yaml_docs
from scout_dbt.project.custom_models import FOLDER
from scout_dbt.project.model_needs import Tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.dataset.documentation import Documentation
    from scout_dbt.generator import GeneratedModels
    from scout_dbt.planning.tables import Model, Reference
    from scout_dbt.project.custom_models import CustomModels
    from scout_dbt.project.model_needs import Skipped
    from scout_dbt.project.yaml_docs import ProjectDocs

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
PROJECT_FOLDERS = ("models", "macros", "tests", "seeds", "snapshots", "analyses")
SOURCE_SUFFIXES = (".sql", ".yml", ".csv", ".md", ".py")


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """The models that a build has to build in one dataset schema."""

    schema: str
    generated: GeneratedModels
    due: frozenset[str]
    """Generated models that have to be built."""
    marks: Mapping[str, str]
    """Marks of the hand-written models and of the data of each stream, recorded when done."""
    changed_streams: frozenset[str]
    """Streams whose rows differ from those of the last complete build."""
    is_project_changed: bool
    """Whether hand-written models have to be built, even if no data changed."""
    relations: frozenset[str] = frozenset()
    """All tables and views that exist before the build."""

    @property
    def is_idle(self) -> bool:
        """Return whether all models are up to date."""
        return not (self.due or self.changed_streams or self.is_project_changed)

    @property
    def streams(self) -> frozenset[str]:
        """Return the streams that were loaded."""
        return frozenset(self.generated.streams)

    def skipped(self, custom: CustomModels, project: Path) -> dict[str, Skipped]:
        """Return the models of users that cannot be built in this dataset, by their path."""
        tables = Tables(
            schema=self.schema,
            source_type=self.generated.source_type,
            streams=self.streams,
            generated=frozenset(model.table.name for model in self.generated.models),
            relations=self.relations,
            project=model_needs.project_files(project) if custom.files else {},
        )
        return model_needs.skipped(custom, tables)

    def selection(self, custom: frozenset[str]) -> list[str]:
        """Return dbt's options that exclude models whose result would not change.

        Args:
            custom: Names of the models of users, which are always built: they may read anything.
                Skipped ones are not among them.
        """
        if self.is_project_changed:
            names = {model.table.name for model in self.generated.models} - self.due
            return ["--exclude", *sorted(names)] if names else []
        # The staging views are as they were, and building them would wait for their readers: of
        # changed streams, only the tests are run.
        tests = (f"stg_*__{stream}+,resource_type:test" for stream in self.changed_streams)
        selected = {*self.due, *custom, *tests}
        return ["--select", *sorted(selected), "--indirect-selection", "eager"]


def prepare(
    cursor: Cursor,
    schema: str,
    project: Path,
    packages: Path,
    source_type: str,
    custom: bytes = b"",
) -> BuildPlan | None:
    """Generate the models into a folder of packages and plan the build.

    Args:
        cursor: In the dataset schema.
        schema: The dataset schema.
        project: The dbt project.
        packages: The folder.
        source_type: ``commcare`` or ``connect``.
        custom: A digest of the models of users.

    Returns:
        The plan; None while the dataset schema does not exist.
    """
    cursor.execute("SELECT current_schema()")
    if cursor.fetchone() != (schema,):
        return None
    generated = generator.generate(cursor, source_type)
    build_metadata.reserve_names(cursor, generated.models)
    dbt_package.write(generated.models, packages)
    cursor.execute(PRESENT)
    present = {name for (name,) in cursor.fetchall()}
    due = [
        model
        for model in generated.models
        if generated.is_due(model) or model.table.name not in present
    ]
    _write_due(cursor, generated, due)
    data_marks = {f"{DATA_MARK}{stream}": mark for stream, mark in generated.streams.items()}
    marks = {PROJECT_MARK: _digest(project, generated.streams, custom), **data_marks}
    recorded = build_metadata.marks(cursor)
    is_project_same = recorded.get(PROJECT_MARK) == marks[PROJECT_MARK]
    return BuildPlan(
        schema=schema,
        generated=generated,
        due=frozenset(model.table.name for model in due),
        marks=marks,
        changed_streams=frozenset(
            name.removeprefix(DATA_MARK)
            for name, mark in data_marks.items()
            if recorded.get(name) != mark
        ),
        is_project_changed=not is_project_same or not _views(cursor) <= present,
        relations=frozenset(present),
    )


def _write_due(cursor: Cursor, generated: GeneratedModels, due: list[Model]) -> None:
    """Tell the macros which models are due, and from which transaction on their rows are new.

    Without a watermark a model is rebuilt.
    """
    cursor.execute(DUE)
    rows = []
    for model in due:
        built = generated.built.get(model.table.key)
        is_delta = built is not None and built.is_of(model) and built.watermark > 0
        rows.append((model.table.name, built.watermark if built and is_delta else None))
    execute_values(cursor, "INSERT INTO _scout_due VALUES %s", rows)


def _views(cursor: Cursor) -> set[str]:
    """Return the views that existed after the last build."""
    cursor.execute("SELECT to_regclass('_scout_catalog')")
    if cursor.fetchone() == (None,):
        return set()
    cursor.execute(VIEWS)
    return {name for (name,) in cursor.fetchall()}


def finish(
    cursor: Cursor,
    plan: BuildPlan,
    project: Path,
    outcomes: Mapping[str, str],
    *,
    is_complete: bool,
    skipped: Iterable[Skipped] = (),
) -> None:
    """Record what was built, and refresh the data dictionary.

    Args:
        cursor: In the dataset schema.
        plan: What the build had to do.
        project: The dbt project.
        outcomes: The status of each model, by name.
        is_complete: Whether nothing failed and nothing was left out.
        skipped: Models that read what the dataset does not have.
    """
    models = plan.generated.models
    for model in models:
        if outcomes.get(model.table.name) == "success":
            rows = plan.generated.record_count(model)
            build_metadata.save(cursor, model, plan.generated.moment.oldest, rows)
    if is_complete:
        for name, mark in plan.marks.items():
            build_metadata.set_mark(cursor, name, mark)
    outdated.unmark(cursor, [name for name, status in outcomes.items() if status == "success"])
    outdated.mark(cursor, _outdated(plan, skipped))
    data_dictionary.comment_models(cursor, models)
    _describe(cursor, plan, project)


def touch(cursor: Cursor, plan: BuildPlan, project: Path) -> None:
    """Update what a build without any work updates: times, and comments of an older version."""
    if data_dictionary.comment_models(cursor, plan.generated.models):
        _describe(cursor, plan, project)
    else:
        data_dictionary.touch(cursor)


def _describe(cursor: Cursor, plan: BuildPlan, project: Path) -> None:
    docs = yaml_docs.read(project / "models", plan.generated.source_type)
    loaded = {name: docs.streams[name] for name in docs.streams.keys() & plan.streams}
    data_dictionary.comment_streams(cursor, loaded, docs.columns)
    data_dictionary.refresh(cursor, plan.generated.models, _references(plan, docs))


def _references(plan: BuildPlan, docs: ProjectDocs) -> list[Reference]:
    return [*docs.references, *yaml_docs.model_references(plan.generated.models)]


def _outdated(plan: BuildPlan, skipped: Iterable[Skipped]) -> dict[str, str]:
    """Return the tables that no build updates, with the reason."""
    names = {model.table.name for model in plan.generated.models}
    left = {each.name for each in plan.generated.built.values()} - names
    found = dict.fromkeys(left, "the stream that it was built from is not in this dataset")
    found |= {each.relation: each.reason for each in skipped}
    return {name: why for name, why in found.items() if name not in plan.streams}


def documented(cursor: Cursor, plan: BuildPlan, project: Path) -> Documentation:
    """Return what the documentation page shows of the dataset schema."""
    docs = yaml_docs.read(project / "models", plan.generated.source_type)
    models = plan.generated.models
    references = _references(plan, docs)
    return documentation.read(cursor, plan.schema, models, plan.streams, references)


def _digest(project: Path, streams: Iterable[str], custom: bytes) -> str:
    """Return a digest of the hand-written models and tests, and of the names of the streams."""
    digest = hashlib.sha256("\n".join(sorted(streams)).encode() + custom)
    files = [
        project / "dbt_project.yml",
        *(file for name in PROJECT_FOLDERS for file in (project / name).rglob("*")),
    ]
    for file in sorted(files):
        # Models of users are in the digest already: only those of this dataset count.
        is_of_project = not file.is_relative_to(project / FOLDER)
        if is_of_project and file.suffix in SOURCE_SUFFIXES and file.is_file():
            digest.update(str(file.relative_to(project)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
