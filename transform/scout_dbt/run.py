"""Runs one dbt command: generates the models, runs dbt, records the result in the dataset."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scout_dbt import build, environment
from scout_dbt.dataset.connection import transaction
from scout_dbt.project import custom_models
from scout_dbt.terminal import escaped

if TYPE_CHECKING:
    from pathlib import Path

    from scout_dbt.build import BuildPlan
    from scout_dbt.dbt_command import DbtCommand
    from scout_dbt.project.custom_models import CustomModels
    from scout_dbt.runner.dbt_runner import Result

PAGE = "static_index.html"
LOADED_STREAMS = "SCOUT_LOADED_STREAMS"
GENERATED_PACKAGES = "SCOUT_GENERATED_PACKAGES"


def run(command: DbtCommand) -> int:
    """Run a dbt command and return its exit code.

    Raises:
        psycopg2.Error: A statement before or after dbt's own failed.
    """
    schema = command.environment.get(environment.DATASET_SCHEMA)
    if not command.reads_models or not schema:
        # Importing dbt takes a second: a build with nothing to do finishes without it.
        from scout_dbt.runner import dbt_runner

        os.environ |= _folders(command)
        dbt_runner.run_without_models(command.arguments)
    return _run_with_models(command, schema)


def _run_with_models(command: DbtCommand, schema: str) -> int:
    conninfo = environment.conninfo(command.environment)
    packages = command.target / "packages"
    owner = command.environment.get(environment.PROJECT) or None
    custom = custom_models.collect(command.folder, owner)
    if command.dbt_project != command.folder:
        sys.stdout.writelines(map(_not_read, custom_models.elsewhere(command.folder)))
    builds_all = command.is_building and not command.is_selective
    with transaction(conninfo, schema) as cursor:
        plan = build.prepare(
            *(cursor, schema, command.dbt_project, packages), command.source_type, custom.digest
        )
        is_idle = plan is not None and plan.is_idle and builds_all
        if plan and is_idle:
            build.touch(cursor, plan, command.dbt_project)
    if is_idle:
        sys.stdout.write("Nothing changed since the last build: all models are up to date.\n")
        return 0
    result = _run_dbt(command, plan, packages, custom, builds_all=builds_all)
    sys.stdout.writelines(f"{escaped(line)}\n" for line in result.lines)
    if plan and command.is_building and not result.is_interrupted:
        is_complete = result.exit_code == 0 and not command.is_selective
        with transaction(conninfo, schema) as cursor:
            build.finish(
                *(cursor, plan, command.dbt_project, result.outcomes),
                is_complete=is_complete,
                skipped=result.skipped,
            )
    if command.writes_docs_page and result.exit_code == 0:
        _write_docs_page(command, schema, plan)
    return result.exit_code


def _run_dbt(
    command: DbtCommand,
    plan: BuildPlan | None,
    packages: Path,
    custom: CustomModels,
    *,
    builds_all: bool,
) -> Result:
    from scout_dbt.runner import dbt_runner

    os.environ |= _folders(command) | _settings(command, plan)
    os.environ[GENERATED_PACKAGES] = str(packages)
    project = dbt_runner.Project(
        source=command.dbt_project,
        assembled=command.target / "project",
        custom=custom,
        skipped=plan.skipped(custom, command.dbt_project) if plan else {},
    )
    built = custom.names - {each.name for each in project.skipped.values()}
    options = ["--project-dir", str(project.assembled), "--target-path", str(command.target)]
    options += plan.selection(built) if plan and builds_all else []
    if command.writes_docs_page:
        (command.target / PAGE).unlink(missing_ok=True)  # none is better than one of earlier data
    return dbt_runner.run([*command.dbt_arguments, *options], project, is_docs=command.writes_docs)


def _not_read(path: str) -> str:
    home = custom_models.FOLDER
    return f"{escaped(path)} is not read: move it to {home}, or to {home}/<project>.\n"


def _write_docs_page(command: DbtCommand, schema: str, plan: BuildPlan | None) -> None:
    from scout_dbt.dataset import documentation
    from scout_dbt.runner import docs_page

    docs = documentation.Documentation(schema=schema)
    if plan:
        with transaction(environment.conninfo(command.environment), schema) as cursor:
            docs = build.documented(cursor, plan, command.dbt_project)
    nodes = docs_page.nodes(command.target)
    docs = replace(docs, alias=command.environment.get(environment.ALIAS) or None)
    docs_page.write(command.target / PAGE, docs, nodes, datetime.now(UTC))


def _folders(command: DbtCommand) -> dict[str, str]:
    """Return the variables that name dbt's folders; it writes nothing into the shipped project."""
    return {
        "DBT_PROJECT_DIR": str(command.dbt_project),
        "DBT_PROFILES_DIR": str(command.profiles),
        "DBT_TARGET_PATH": str(command.target),
        "DBT_LOG_PATH": os.environ.get("DBT_LOG_PATH", str(command.folder / "logs")),
    }


def _settings(command: DbtCommand, plan: BuildPlan | None) -> dict[str, str]:
    """Return the other environment variables of dbt; DBT_WRITE_JSON may be set by the caller."""
    settings = {
        # Control characters in dbt's output are escaped: colour codes would be shown as text.
        "DBT_USE_COLORS": "false",
    }
    if plan:
        settings[LOADED_STREAMS] = ",".join(sorted(plan.streams))
    if command.is_building:
        # Nothing reads the artifacts of a build, and dbt would write the manifest twice.
        settings["DBT_WRITE_JSON"] = os.environ.get("DBT_WRITE_JSON", "false")
    return settings
