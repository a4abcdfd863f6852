"""Derives what each plugin of a run may see: its own settings and secrets, and common variables.

The tap gets its credential, the loader its database URL, transforms the same database as variables
of libpq. No plugin gets secrets of another plugin, of Meltano or of control.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from psycopg.conninfo import conninfo_to_dict
from scout_dbt import libpq

from scout_control.meltano.reports import LOADER_STARTS
from scout_control.meltano.run_project import EXTRACTORS, LOADERS, VERBS
from scout_control.meltano.run_server.server import PluginLaunch
from scout_control.rules.environment import DBT_SETTINGS, PLUGIN_VARIABLES, PROJECT, PROXIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from scout_control.meltano.run_project import Entry, RunPlugin, RunProject

TRUE_WORDS = frozenset({"true", "1", "yes", "on"})


class RunRequest(Protocol):
    """The inputs of a run that concern its plugins."""

    @property
    def project_root(self) -> Path:
        """The project."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Environment variables without secrets."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """Environment variables with secrets."""

    @property
    def database_url(self) -> str | None:
        """The database of the writer."""

    @property
    def project_id(self) -> str | None:
        """The project of the dataset."""


def plugin_launches(request: RunRequest, project: RunProject) -> dict[str, PluginLaunch]:
    """Return the program and environment of each plugin, by the name of its launcher."""
    return {
        launcher: _launch(request, project, plugin, program)
        for plugin in project.plugins
        for launcher, program in plugin.programs.items()
    }


def _launch(
    request: RunRequest, project: RunProject, plugin: RunPlugin, program: str
) -> PluginLaunch:
    other_prefixes = tuple(
        prefix for each in project.plugins if each is not plugin for prefix in each.prefixes
    )
    secret_settings = {
        name: request.settings[name] for name in request.settings.keys() & project.secret_names
    }
    # Later ones win: what the run sets overrides the project's .env.
    candidates = {**project.own_variables, **secret_settings, **request.secrets}
    secrets = {
        name: value
        for name, value in candidates.items()
        if name.startswith(plugin.prefixes) or name in plugin.settings
    }
    # Settings without the prefix of another plugin may be anyone's, such as variables for dbt.
    settings = (name for name in request.settings if not name.startswith(other_prefixes))
    is_transform = plugin.kind not in VERBS
    database = conninfo_to_dict(request.database_url or "") if is_transform else {}
    password = database.get("password")
    return PluginLaunch(
        program=program,
        names=(
            *(*PLUGIN_VARIABLES, *project.names, *plugin.declared, *settings),
            *(DBT_SETTINGS if is_transform else ()),
        ),
        prefixes=(*plugin.prefixes, *([VERBS[plugin.kind]] if plugin.kind in VERBS else [])),
        environment={
            "MELTANO_PROJECT_ROOT": str(request.project_root),
            **(_proxies() if plugin.kind == EXTRACTORS else {}),
            **secrets,
            **libpq.variables(database),
            **({PROJECT: request.project_id} if is_transform and request.project_id else {}),
        },
        config=_config(plugin, secrets),
        announcement=LOADER_STARTS if plugin.kind == LOADERS else "",
        files={libpq.PASSFILE: libpq.passfile(str(password))} if password else {},
    )


def _proxies() -> dict[str, str]:
    return {name: os.environ[name] for name in PROXIES if name in os.environ}


def _config(plugin: RunPlugin, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return the part of the configuration file for secrets that are declared as settings."""
    config: dict[str, Any] = {}
    for name, setting in plugin.settings.items():
        if name in secrets:
            path = [part.replace("\0", ".") for part in _escaped(setting).split(".")]
            _nest(config, path, _typed(setting, secrets[name]))
    return config


def _escaped(setting: Entry) -> str:
    """Return a setting's name with escaped dots, which do not nest, as NUL."""
    return str(setting["name"]).replace("\\.", "\0")


def _nest(into: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        into = into.setdefault(part, {})
    into[path[-1]] = value


def _typed(setting: Entry, text: str) -> Any:
    """Return a value in the type that Meltano would write for the setting's kind."""
    kind = setting.get("kind")
    if kind == "boolean":
        return text.lower() in TRUE_WORDS
    if kind in {"integer", "array", "object"}:
        with suppress(ValueError):
            return json.loads(text)
    return text
