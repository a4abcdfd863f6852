"""What each plugin of a run is told: its own settings and secrets, and of the rest a list of names.

The tap gets its login, the loader its database, what comes after the load that database by the
variables of libpq. None of them gets what is another's, what is Meltano's, or what is control's.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from psycopg.conninfo import conninfo_to_dict

from scout_control.meltano.run_project import EXTRACTORS, VERBS
from scout_control.meltano.run_server.server import Told
from scout_control.rules import libpq
from scout_control.rules.environment import DBT, OF_A_PLUGIN, PROJECT, PROXIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from scout_control.meltano.run_project import Entry, RunPlugin, RunProject

TRUE = frozenset({"true", "1", "yes", "on"})


class Asked(Protocol):
    """What a run is asked to do, as far as plugins are told of it."""

    @property
    def project_root(self) -> Path: ...  # noqa: D102
    @property
    def settings(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def secrets(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def database_url(self) -> str | None: ...  # noqa: D102
    @property
    def project_id(self) -> str | None: ...  # noqa: D102


def told(asked: Asked, project: RunProject) -> dict[str, Told]:
    """Return what each plugin is told, by the name of its launcher."""
    return {
        launcher: _told(asked, project, plugin, program)
        for plugin in project.plugins
        for launcher, program in plugin.programs.items()
    }


def _told(asked: Asked, project: RunProject, plugin: RunPlugin, program: str) -> Told:
    others = tuple(
        prefix for each in project.plugins if each is not plugin for prefix in each.prefixes
    )
    hidden = {name: asked.settings[name] for name in asked.settings.keys() & project.secret_names}
    given = {**project.own_variables, **hidden, **asked.secrets}
    secrets = {
        name: value
        for name, value in given.items()
        if name.startswith(plugin.prefixes) or name in plugin.settings
    }
    settings = (name for name in asked.settings if not name.startswith(others))
    is_transform = plugin.kind not in VERBS
    database = conninfo_to_dict(asked.database_url or "") if is_transform else {}
    password = database.get("password")
    return Told(
        program=program,
        names=(
            *(*OF_A_PLUGIN, *project.names, *plugin.declared, *settings),
            *(DBT if is_transform else ()),
        ),
        prefixes=(*plugin.prefixes, *([VERBS[plugin.kind]] if plugin.kind in VERBS else [])),
        environment={
            "MELTANO_PROJECT_ROOT": str(asked.project_root),
            **(_proxies() if plugin.kind == EXTRACTORS else {}),
            **secrets,
            **libpq.variables(database),
            **({PROJECT: asked.project_id} if is_transform and asked.project_id else {}),
        },
        config=_config(plugin, secrets),
        files={libpq.PASSFILE: libpq.passfile(str(password))} if password else {},
    )


def _proxies() -> dict[str, str]:
    return {name: os.environ[name] for name in PROXIES if name in os.environ}


def _config(plugin: RunPlugin, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return what the configuration file says of secrets that are declared as settings."""
    config: dict[str, Any] = {}
    for name, setting in plugin.settings.items():
        if name in secrets:
            path = [part.replace("\0", ".") for part in _escaped(setting).split(".")]
            _nest(config, path, _typed(setting, secrets[name]))
    return config


def _escaped(setting: Entry) -> str:
    """Return a setting's name, in which a dot that does not part it is another character."""
    return str(setting["name"]).replace("\\.", "\0")


def _nest(into: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        into = into.setdefault(part, {})
    into[path[-1]] = value


def _typed(setting: Entry, text: str) -> Any:
    """Return a value as Meltano would write it: by the setting's kind."""
    kind = setting.get("kind")
    if kind == "boolean":
        return text.lower() in TRUE
    if kind in {"integer", "array", "object"}:
        with suppress(ValueError):
            return json.loads(text)
    return text
