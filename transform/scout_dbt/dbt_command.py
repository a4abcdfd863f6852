"""Parses a command line of dbt: the command, its selection, and its folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from scout_dbt.project import location

if TYPE_CHECKING:
    from collections.abc import Mapping

STATIC = "--static"
PROFILES_FILE = "profiles.yml"
BUILDING = frozenset({"build", "run"})
READS_MODELS = BUILDING | {
    *("test", "docs", "compile", "list", "ls", "parse", "show", "source"),
    *("seed", "snapshot", "run-operation", "clone", "retry"),
}
SELECTION = frozenset({"--select", "-s", "--exclude", "--selector", "--full-refresh", "-f"})


@dataclass(frozen=True, kw_only=True)
class DbtCommand:
    """The arguments of dbt, and the environment that supplies missing ones."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """Return the subcommand of dbt, such as ``build``."""
        return next((word for word in self.arguments if not word.startswith("-")), "")

    @property
    def reads_models(self) -> bool:
        """Return whether dbt reads the models, which then have to be generated first."""
        return self.name in READS_MODELS

    @property
    def is_building(self) -> bool:
        """Return whether dbt builds the models."""
        return self.name in BUILDING

    @property
    def is_selective(self) -> bool:
        """Return whether the caller chooses what is built."""
        return any(word.partition("=")[0] in SELECTION for word in self.arguments)

    @property
    def writes_docs(self) -> bool:
        """Return whether dbt generates its documentation."""
        return self.name == "docs" and "generate" in self.arguments

    @property
    def writes_docs_page(self) -> bool:
        """Return whether the documentation is to be one static page."""
        return self.writes_docs and STATIC in self.arguments

    @property
    def dbt_arguments(self) -> list[str]:
        """Return the arguments for dbt itself, whose own static page is not wanted."""
        without = {STATIC} if self.writes_docs_page else set()
        return [word for word in self.arguments if word not in without]

    @property
    def folder(self) -> Path:
        """Return the project's folder as the caller names it; it may hold models of users only."""
        return Path(self.option("--project-dir", "DBT_PROJECT_DIR") or Path.cwd()).absolute()

    @property
    def dbt_project(self) -> Path:
        """Return the dbt project that is used for the folder."""
        return location.dbt_project(self.folder)

    @property
    def profiles(self) -> Path:
        """Return the folder of the profiles: the named one, this one, or the dbt project's."""
        named = self.option("--profiles-dir", "DBT_PROFILES_DIR") or "."
        folder = Path(named).absolute()
        return folder if (folder / PROFILES_FILE).is_file() else self.dbt_project

    @property
    def target(self) -> Path:
        """Return the folder that dbt writes to."""
        return self.folder / (self.option("--target-path", "DBT_TARGET_PATH") or "target")

    @property
    def source_type(self) -> str:
        """Return the source of the data as models name it: ``commcare`` or ``connect``."""
        variables = yaml.safe_load(self.option("--vars", "DBT_VARS") or "{}")
        is_mapping = isinstance(variables, dict)
        return str(variables.get("source_type", "commcare")) if is_mapping else "commcare"

    def option(self, name: str, variable: str) -> str | None:
        """Return the value of an option, or of the environment variable that stands for it."""
        for at, word in enumerate(self.arguments):
            if word == name and at + 1 < len(self.arguments):
                return self.arguments[at + 1]
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
        return self.environment.get(variable)
