"""Generates the Meltano project of one run: only its plugins, each replaced by a launcher.

It is derived from the project's meltano.yml and written to the run's directory. It is small, so
that Meltano reads it quickly. Meltano gives all plugins the same environment; what each plugin may
see is derived from the same entries and enforced by its launcher.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from dotenv import dotenv_values

from scout_control.errors import SettingsError
from scout_control.meltano.project_file import PROGRAM_KEYS, read_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SAFE_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
PROJECT_FILE, DOTENV, SYSTEM_FOLDER = "meltano.yml", ".env", ".meltano"
NOT_LINKED = frozenset({PROJECT_FILE, DOTENV, SYSTEM_FOLDER})
OMITTED_KEYS = frozenset({"plugins", "jobs", "schedules", "include_paths", "annotations"})
DOCUMENTATION_KEYS = frozenset(
    {"label", "description", "annotations", "placeholder", "documentation"}
)
ROOT = re.compile(r"\$(?:MELTANO_PROJECT_ROOT\b|\{MELTANO_PROJECT_ROOT\})")
REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
NOT_IN_VARIABLE = re.compile("[^A-Za-z0-9]")
EXTRACTORS, LOADERS = "extractors", "loaders"
VERBS = {EXTRACTORS: "MELTANO_EXTRACT", LOADERS: "MELTANO_LOAD"}

Entry = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunPlugin:
    """A plugin of a run, as declared in meltano.yml."""

    kind: str
    """Its section of meltano.yml: ``extractors``, ``loaders``, ``utilities``."""
    lineage: tuple[Entry, ...]
    """Its entry, followed by those that it inherits from."""
    programs: Mapping[str, str]
    """Programs by the name of their launcher: the plugin's own and those of its commands."""

    @property
    def name(self) -> str:
        """The name of the plugin."""
        return str(self.lineage[0]["name"])

    @property
    def distribution(self) -> str | None:
        """The distribution of the product that holds its program; None for a foreign plugin."""
        annotations = (each.get("annotations") for each in self.lineage)
        of_scout = ((each or {}).get("scout") or {} for each in annotations)
        own = any(not PROGRAM_KEYS.isdisjoint(each) for each in self.lineage[:-1])
        found = (each["distribution"] for each in of_scout if each.get("distribution"))
        return None if own else next(found, None)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The prefixes of the environment variables of its settings."""
        namespaces = (str(each["namespace"]) for each in self.lineage if each.get("namespace"))
        return tuple(dict.fromkeys(f"{variable(name)}_" for name in (self.name, *namespaces)))

    @property
    def declared(self) -> tuple[str, ...]:
        """The variables that its entries name explicitly."""
        named = (name for entry in self.lineage for name in entry.get("env") or ())
        return (*named, *(str(each["env"]) for each in self._settings() if each.get("env")))

    @property
    def settings(self) -> dict[str, Entry]:
        """Its declared settings, by each of their environment variables."""
        by_variable: dict[str, Entry] = {}
        for each in self._settings():
            derived = [f"{prefix}{variable(str(each['name']))}" for prefix in self.prefixes]
            for name in (*derived, *([each["env"]] if each.get("env") else [])):
                by_variable.setdefault(name, each)
        return by_variable

    def _settings(self) -> Iterator[Entry]:
        return (each for entry in self.lineage for each in entry.get("settings") or ())


@dataclass(frozen=True, kw_only=True)
class RunProject:
    """The generated project of a run."""

    plugins: tuple[RunPlugin, ...]
    names: tuple[str, ...]
    """Variables that meltano.yml sets for all plugins."""
    open_variables: Mapping[str, str] = field(repr=False)
    """Variables of the project's .env that all processes of the run may see."""
    own_variables: Mapping[str, str] = field(repr=False)
    """The other variables of .env; each plugin gets only those for its settings."""

    def without_secrets(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of Meltano, which passes it on to all plugins."""
        secret = self.secret_names
        variables = {**self.open_variables, **environment}
        return {name: value for name, value in variables.items() if name not in secret}

    @property
    def secret_names(self) -> frozenset[str]:
        """The variables of secret settings."""
        return frozenset(
            name
            for plugin in self.plugins
            for name, setting in plugin.settings.items()
            if is_secret(setting)
        )


def write(root: Path, target: Path, launcher: Path, blocks: Sequence[str]) -> RunProject:
    """Write the project of a run.

    Args:
        root: The original project.
        target: The folder to create; a folder ``bin`` with the launchers is created beside it.
        launcher: The program that replaces each plugin.
        blocks: What is run: plugin names, optionally with a command each.

    Raises:
        SettingsError: meltano.yml has no such plugin.
    """
    document = read_project(root / PROJECT_FILE)
    target.mkdir()
    # Linked, so that relative paths of plugins still work.
    for each in root.iterdir():
        if each.name not in NOT_LINKED:
            (target / each.name).symlink_to(each)
    names = dict.fromkeys(block.partition(":")[0] for block in blocks)
    plugins = tuple(find(root, document, name) for name in names)
    launchers = target.parent / "bin"
    launchers.mkdir()
    for name in (name for plugin in plugins for name in plugin.programs):
        (launchers / name).symlink_to(launcher)
    kept = {name: value for name, value in document.items() if name not in OMITTED_KEYS}
    written = _absolute({**kept, "plugins": _entries(plugins, launchers)}, root)
    text = yaml.dump(written, Dumper=SAFE_DUMPER, sort_keys=False)
    (target / PROJECT_FILE).write_text(text, encoding="utf-8")
    parsed = dotenv_values(root / DOTENV)
    dotenv = {name: value for name, value in parsed.items() if value is not None}
    is_open = _open_names(plugins, text).__contains__
    environments = (document, *(document.get("environments") or ()))
    return RunProject(
        plugins=plugins,
        names=tuple(name for each in environments for name in each.get("env") or ()),
        open_variables={name: value for name, value in dotenv.items() if is_open(name)},
        own_variables={name: value for name, value in dotenv.items() if not is_open(name)},
    )


def variable(name: str) -> str:
    """Return a name in the spelling of environment variables."""
    return NOT_IN_VARIABLE.sub("_", name).upper()


def is_secret(setting: Mapping[str, Any]) -> bool:
    """Return whether the value of a setting is secret."""
    return bool(setting.get("sensitive")) or setting.get("kind") in {"password", "oauth"}


def _open_names(plugins: Sequence[RunPlugin], text: str) -> set[str]:
    """Return the variables of .env that Meltano may see: non-secret settings and references."""
    known = [(name, each) for plugin in plugins for name, each in plugin.settings.items()]
    named = {name for name, setting in known if not is_secret(setting)}
    secret = {name for name, setting in known if is_secret(setting)}
    return (named | set(REFERENCE.findall(text))) - secret


def find(root: Path, document: Mapping[str, Any], name: str) -> RunPlugin:
    """Return a plugin of a project.

    Raises:
        SettingsError: meltano.yml has no such plugin.
    """
    for kind, entries in (document.get("plugins") or {}).items():
        known = {str(each.get("name")): each for each in entries or ()}
        if name in known:
            lineage = tuple(_lineage(root, kind, known, name))
            return RunPlugin(kind=kind, lineage=lineage, programs=_programs(root, kind, lineage))
    raise SettingsError(
        f"There is no plugin {name!r} in {root / PROJECT_FILE}.",
        "Correct the tasks of its job there.",
    )


def _lineage(root: Path, kind: str, known: Mapping[str, Entry], name: str) -> Iterator[Entry]:
    """Yield an entry, those that it inherits from, and the lock file of Meltano's hub."""
    seen: set[str] = set()  # entries may inherit from each other in a circle
    last: Entry = {}
    while name in known and name not in seen:
        seen.add(name)
        last = known[name]
        yield last
        name = str(last.get("inherit_from") or name)
    variant = f"--{last['variant']}" if last.get("variant") else ""
    lock = root / "plugins" / kind / f"{name}{variant}.lock"
    if lock.is_file():
        yield {**json.loads(lock.read_text(encoding="utf-8")), "is_locked": True}


def _programs(root: Path, kind: str, lineage: tuple[Entry, ...]) -> dict[str, str]:
    name = str(lineage[0]["name"])
    own = next((each["executable"] for each in lineage if each.get("executable")), None)
    programs = {name: _program(root, kind, lineage, str(own or lineage[-1]["name"]))}
    for command, entry in _commands(lineage):
        program = _program(root, kind, lineage, str(entry["executable"]))
        programs[f"{name}:{command}"] = program
    return programs


def _commands(lineage: tuple[Entry, ...]) -> Iterator[tuple[str, Entry]]:
    """Yield the commands of a plugin that have a separate program."""
    for each in reversed(lineage):
        for command, entry in (each.get("commands") or {}).items():
            if isinstance(entry, dict) and entry.get("executable"):
                yield command, entry


def _program(root: Path, kind: str, lineage: tuple[Entry, ...], executable: str) -> str:
    """Return the program to start: a path, or a name to look up on the PATH."""
    if "/" in executable:
        return str(root / executable)
    owner = next((each for each in lineage if each.get("pip_url")), None)
    installed = (
        root / SYSTEM_FOLDER / kind / str((owner or {}).get("name")) / "venv/bin" / executable
    )
    return str(installed) if owner and installed.exists() else executable


def _entries(plugins: Sequence[RunPlugin], launchers: Path) -> dict[str, list[Entry]]:
    by_kind: dict[str, dict[str, Entry]] = {}
    for plugin in plugins:
        entries = by_kind.setdefault(plugin.kind, {})
        for each in plugin.lineage:
            if not each.get("is_locked"):
                entries.setdefault(str(each["name"]), _stripped(each))
        own = entries[plugin.name]
        own["executable"] = str(launchers / plugin.name)
        commands = {
            command: {**entry, "executable": str(launchers / f"{plugin.name}:{command}")}
            for command, entry in _commands(plugin.lineage)
        }
        if commands:
            own["commands"] = {**(own.get("commands") or {}), **commands}
    return {kind: list(entries.values()) for kind, entries in by_kind.items()}


def _stripped(entry: Entry) -> Entry:
    """Return an entry without its documentation and its program."""
    kept = {
        name: value
        for name, value in entry.items()
        if name not in DOCUMENTATION_KEYS | PROGRAM_KEYS
    }
    if "settings" in kept:
        kept["settings"] = [
            {name: value for name, value in each.items() if name not in DOCUMENTATION_KEYS}
            for each in kept["settings"]
        ]
    return kept


def _absolute(value: Any, root: Path) -> Any:
    """Return a value with MELTANO_PROJECT_ROOT replaced by the original project's folder."""
    if isinstance(value, str):
        return ROOT.sub(lambda _: str(root), value)
    if isinstance(value, dict):
        return {name: _absolute(each, root) for name, each in value.items()}
    if isinstance(value, list):
        return [_absolute(each, root) for each in value]
    return value
