"""``scout-dbt``: dbt with the database settings of the loader, and with the generated models.

The loader may be given a URL or single settings; dbt knows only single settings, so whoever runs a
pipeline would have to say everything twice. This turns the one into the other, in the environment.
Before dbt it generates the models of the dataset schema, after it it describes what is there.

Models are written by people who may not know the passwords of the installation: their Jinja finds
neither a login nor the password of the database in the environment, in dbt or in its connections.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import yaml
from psycopg2.extensions import make_dsn, parse_dsn

from scout_control.meltano import parent_death
from scout_control.meltano.unnamed_files import unnamed_file
from scout_control.modelling import building, catalog, custom, failures, page
from scout_control.rules import libpq
from scout_control.rules.environment import PROJECT, is_visible_to_dbt
from scout_control.rules.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping


LOADER = "TARGET_SCOUT_POSTGRES_"
DATASET_SCHEMA = "SCOUT_DATASET_SCHEMA"
STREAMS = "SCOUT_LOADED_STREAMS"
PACKAGES = "SCOUT_GENERATED_PACKAGES"
PASSWORDS = (f"{LOADER}PASSWORD", "PGPASSWORD", "DBT_ENV_SECRET_PGPASSWORD")
BUILDING = frozenset({"build", "run"})
KNOWS_MODELS = BUILDING | {
    *("test", "docs", "compile", "list", "ls", "parse", "show", "source"),
    *("seed", "snapshot", "run-operation", "clone", "retry"),
}
SELECTING = frozenset({"--select", "-s", "--exclude", "--selector", "--full-refresh", "-f"})


@dataclass(frozen=True, kw_only=True)
class Call:
    """What was asked of dbt."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def command(self) -> str:
        """Return dbt's command."""
        return next((word for word in self.arguments if not word.startswith("-")), "")

    @property
    def is_selective(self) -> bool:
        """Tell whether the caller says what to build."""
        return any(word.partition("=")[0] in SELECTING for word in self.arguments)

    @property
    def makes_page(self) -> bool:
        """Return whether dbt is to write its documentation as one page."""
        return self.command == "docs" and "--static" in self.arguments

    @property
    def project(self) -> Path:
        """Return the folder of the dbt project."""
        return Path(self._told("--project-dir", "DBT_PROJECT_DIR") or Path.cwd()).absolute()

    @property
    def target(self) -> Path:
        """Return the folder that dbt writes to."""
        told = self._told("--target-path", "DBT_TARGET_PATH") or "target"
        return self.project / told

    @property
    def source_type(self) -> str:
        """Return what the data is of, as the variables of dbt say."""
        told = yaml.safe_load(self._told("--vars", "DBT_VARS") or "{}")
        return str(told.get("source_type", "commcare")) if isinstance(told, dict) else "commcare"

    def _told(self, option: str, variable: str) -> str | None:
        for at, word in enumerate(self.arguments):
            if word == option and at + 1 < len(self.arguments):
                return self.arguments[at + 1]
            if word.startswith(f"{option}="):
                return word.partition("=")[2]
        return self.environment.get(variable)


def main() -> None:
    """Run dbt with the arguments given."""
    parent_death.protect_memory()
    arguments = tuple(sys.argv[1:])
    try:
        environment = surroundings(os.environ)
    except psycopg2.ProgrammingError:
        sys.stderr.write(
            f"Error: {LOADER}DATABASE_URL is not a URL of Postgres. "
            "Write postgresql://user:password@host:port/database.\n"
        )
        raise SystemExit(2) from None
    os.environ.clear()  # what is not in it can be read by no model
    os.environ.update(environment)
    call = Call(arguments=arguments, environment=environment)
    schema = environment.get(DATASET_SCHEMA)
    if call.command not in KNOWS_MODELS or not schema:
        from scout_control.modelling import running  # noqa: PLC0415 - takes a second to import

        running.plain(arguments)
    try:
        raise SystemExit(_with_models(call, schema))
    except psycopg2.Error as error:
        words = failures.lines("generated models", failures.of_postgres(error))
        sys.stderr.writelines(f"{harmless(line)}\n" for line in words)
        raise SystemExit(1) from None
    except page.PageError:
        sys.stderr.write(
            "Error: the documentation of this version of dbt is not known to be safe to show. "
            "Install the version that scout-control asks for.\n"
        )
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted: the loaded data is as it was. Run again.\n")
        raise SystemExit(130) from None


def _with_models(call: Call, schema: str) -> int:
    """Generate, run dbt, describe; return dbt's exit code."""
    packages = call.target / "packages"
    conninfo = make_dsn(**_keywords(call.environment))
    is_building = call.command in BUILDING
    is_ours = is_building and not call.is_selective
    users = custom.collect(call.project, call.environment.get(PROJECT) or None)
    with building.opened(conninfo, schema) as cursor:
        build = building.prepare(
            *(cursor, schema, call.project, packages), call.source_type, users.digest
        )
        is_idle = build is not None and build.is_idle and is_ours
        if is_idle:
            catalog.touch(cursor)
    if is_idle:
        sys.stdout.write("Nothing changed since the last build: all models are as they would be.\n")
        return 0
    from scout_control.modelling import running  # noqa: PLC0415 - dbt takes a second to import

    os.environ.setdefault("DBT_LOG_PATH", str(call.project / "logs"))
    os.environ[PACKAGES] = str(packages)
    # Of what dbt says no escape sequence is let through, so that colours would be in the way.
    os.environ["DBT_USE_COLORS"] = "false"
    if build:
        os.environ[STREAMS] = ",".join(sorted(build.streams))
    if is_building:
        os.environ.setdefault("DBT_WRITE_JSON", "false")  # nobody reads it, it is written twice
    made = call.target / "project"
    options = ["--project-dir", str(made), "--target-path", str(call.target)]
    options += build.selection(users.names) if build and is_ours else []
    project = running.Project(real=call.project, made=made, custom=users)
    ended = running.run([*call.arguments, *options], project)
    sys.stdout.writelines(f"{harmless(line)}\n" for line in ended.words)
    if call.makes_page and ended.returncode == 0:
        page.write(call.target)
    if build and is_building and ended.returncode not in running.INTERRUPTED.values():
        is_complete = ended.returncode == 0 and not call.is_selective
        with building.opened(conninfo, schema) as cursor:
            building.finish(cursor, build, call.project, ended.outcomes, is_complete=is_complete)
    return ended.returncode


def _keywords(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the database of the environment in the words of libpq."""
    return {
        keyword: environment[variable]
        for keyword, _, variable in libpq.CONNECTION
        if environment.get(variable)
    }


def surroundings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what dbt may see: where the database is, and the password in a file without a name."""
    found = {name: value for name, value in environment.items() if is_visible_to_dbt(name)}
    variables, password = translated(environment)
    if password:
        otherwise = Path(tempfile.gettempdir(), f"scout-dbt-{os.getpid()}.pgpass")
        found[libpq.PASSFILE] = unnamed_file(libpq.passfile(password), otherwise)
    return found | variables


def translated(environment: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
    """Return what the loader's settings say in libpq's variables, and the password.

    The settings are a URL or single ones; without any, libpq's variables are as they are.
    """
    url = environment.get(f"{LOADER}DATABASE_URL")
    if environment.get(f"{LOADER}HOST"):
        url = None  # as the loader itself decides
    single = {
        keyword: environment.get(LOADER + setting) for keyword, setting, _ in libpq.CONNECTION
    }
    told = parse_dsn(url) if url else single
    found = libpq.variables(told)
    if schema := environment.get(f"{LOADER}DEFAULT_TARGET_SCHEMA"):
        found[DATASET_SCHEMA] = schema
    if url:
        return found, told.get("password")
    return found, next((environment[name] for name in PASSWORDS if environment.get(name)), None)
