"""The Meltano project of one run: its own plugins, each with a launcher in its place.

Made from the project's meltano.yml in the run's own directory. It is small, so that Meltano reads
it quickly. What a plugin may see is told from the same entries, since Meltano shows all of them
the same.
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
from scout_control.meltano.project import read_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WRITER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
FILE, VARIABLES, SYSTEM = "meltano.yml", ".env", ".meltano"
NOT_LINKED = frozenset({FILE, VARIABLES, SYSTEM})
NOT_NEEDED = frozenset({"plugins", "jobs", "schedules", "include_paths", "annotations"})
FOR_PEOPLE = frozenset({"label", "description", "annotations", "placeholder", "documentation"})
REPLACED = frozenset({"executable", "pip_url"})
ROOT = re.compile(r"\$(?:MELTANO_PROJECT_ROOT\b|\{MELTANO_PROJECT_ROOT\})")
REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
NOT_IN_VARIABLES = re.compile("[^A-Za-z0-9]")
EXTRACTORS, LOADERS = "extractors", "loaders"
VERBS = {EXTRACTORS: "MELTANO_EXTRACT", LOADERS: "MELTANO_LOAD"}

Entry = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunPlugin:
    """A plugin of a run, as meltano.yml has it."""

    kind: str
    """As meltano.yml calls it: ``extractors``, ``loaders``, ``utilities``."""
    lineage: tuple[Entry, ...]
    """Its entry, and those that it inherits from."""
    programs: Mapping[str, str]
    """What to run, by the name of the launcher: its own program, and those of its commands."""

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.lineage[0]["name"])

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Return how the variables begin that its settings are given by."""
        spaces = (str(each["namespace"]) for each in self.lineage if each.get("namespace"))
        return tuple(dict.fromkeys(f"{variable(name)}_" for name in (self.name, *spaces)))

    @property
    def declared(self) -> tuple[str, ...]:
        """Return the variables that its entry names, and how Meltano's own for it begin."""
        named = (name for entry in self.lineage for name in entry.get("env") or ())
        return (*named, *(str(each["env"]) for each in self._settings() if each.get("env")))

    @property
    def settings(self) -> dict[str, Entry]:
        """Return its declared settings by each of their variables."""
        found: dict[str, Entry] = {}
        for each in self._settings():
            spelled = [f"{prefix}{variable(str(each['name']))}" for prefix in self.prefixes]
            for name in (*spelled, *([each["env"]] if each.get("env") else [])):
                found.setdefault(name, each)
        return found

    def _settings(self) -> Iterator[Entry]:
        return (each for entry in self.lineage for each in entry.get("settings") or ())


@dataclass(frozen=True, kw_only=True)
class RunProject:
    """What was made for a run."""

    plugins: tuple[RunPlugin, ...]
    names: tuple[str, ...]
    """Variables that meltano.yml names for all plugins."""
    open_variables: Mapping[str, str] = field(repr=False)
    """What the project's .env says that all processes of the run may see."""
    own_variables: Mapping[str, str] = field(repr=False)
    """What else it says: of plugins, for each what is of its settings."""

    def without_secrets(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of Meltano, which passes it on to all plugins."""
        secret = self.secret_names
        told = {**self.open_variables, **environment}
        return {name: value for name, value in told.items() if name not in secret}

    @property
    def secret_names(self) -> frozenset[str]:
        """Return the variables of settings that are secret, whoever gives their values."""
        return frozenset(
            name
            for plugin in self.plugins
            for name, setting in plugin.settings.items()
            if is_secret(setting)
        )


def make(root: Path, made: Path, launcher: Path, blocks: Sequence[str]) -> RunProject:
    """Write the project of a run.

    Args:
        root: The project.
        made: The folder of the run's project, and beside it ``bin`` with the launchers.
        launcher: The program that stands in the place of each plugin's.
        blocks: What is run: names of plugins, perhaps with a command each.

    Raises:
        SettingsError: meltano.yml has no such plugin.
    """
    document = read_project(root / FILE)
    made.mkdir()
    for each in root.iterdir():
        if each.name not in NOT_LINKED:
            (made / each.name).symlink_to(each)
    names = dict.fromkeys(block.partition(":")[0] for block in blocks)
    plugins = tuple(_find(root, document, name) for name in names)
    links = made.parent / "bin"
    links.mkdir()
    for link in (link for plugin in plugins for link in plugin.programs):
        (links / link).symlink_to(launcher)
    kept = {name: value for name, value in document.items() if name not in NOT_NEEDED}
    written = _absolute({**kept, "plugins": _entries(plugins, links)}, root)
    text = yaml.dump(written, Dumper=WRITER, sort_keys=False)
    (made / FILE).write_text(text, encoding="utf-8")
    told = dotenv_values(root / VARIABLES)
    dotenv = {name: value for name, value in told.items() if value is not None}
    is_open = _open_names(plugins, text).__contains__
    everywhere = (document, *(document.get("environments") or ()))
    return RunProject(
        plugins=plugins,
        names=tuple(name for each in everywhere for name in each.get("env") or ()),
        open_variables={name: value for name, value in dotenv.items() if is_open(name)},
        own_variables={name: value for name, value in dotenv.items() if not is_open(name)},
    )


def variable(name: str) -> str:
    """Return a name as variables spell it."""
    return NOT_IN_VARIABLES.sub("_", name).upper()


def is_secret(setting: Mapping[str, Any]) -> bool:
    """Return whether the value of a setting is a secret."""
    return bool(setting.get("sensitive")) or setting.get("kind") in {"password", "oauth"}


def _open_names(plugins: Sequence[RunPlugin], text: str) -> set[str]:
    """Return the variables of .env that Meltano may know: of settings, and what the file names."""
    known = [(name, each) for plugin in plugins for name, each in plugin.settings.items()]
    named = {name for name, setting in known if not is_secret(setting)}
    secret = {name for name, setting in known if is_secret(setting)}
    return (named | set(REFERENCE.findall(text))) - secret


def _find(root: Path, document: Mapping[str, Any], name: str) -> RunPlugin:
    for kind, entries in (document.get("plugins") or {}).items():
        known = {str(each.get("name")): each for each in entries or ()}
        if name in known:
            lineage = tuple(_lineage(root, kind, known, name))
            return RunPlugin(kind=kind, lineage=lineage, programs=_programs(root, kind, lineage))
    raise SettingsError(
        f"There is no plugin {name!r} in {root / FILE}.", "Correct the tasks of its job there."
    )


def _lineage(root: Path, kind: str, known: Mapping[str, Entry], name: str) -> Iterator[Entry]:
    """Yield an entry and those that it inherits from, at last what Meltano's hub said of it."""
    seen: set[str] = set()
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
    found = {name: _program(root, kind, lineage, str(own or lineage[-1]["name"]))}
    for command, told in _commands(lineage):
        program = _program(root, kind, lineage, str(told["executable"]))
        found[f"{name}:{command}"] = program
    return found


def _commands(lineage: tuple[Entry, ...]) -> Iterator[tuple[str, Entry]]:
    """Yield the commands of a plugin that have a program of their own."""
    for each in reversed(lineage):
        for command, told in (each.get("commands") or {}).items():
            if isinstance(told, dict) and told.get("executable"):
                yield command, told


def _program(root: Path, kind: str, lineage: tuple[Entry, ...], said: str) -> str:
    """Return a program as it is started: a path, or a name to look up on the PATH."""
    if "/" in said:
        return str(root / said)
    owner = next((each for each in lineage if each.get("pip_url")), None)
    installed = root / SYSTEM / kind / str((owner or {}).get("name")) / "venv/bin" / said
    return str(installed) if owner and installed.exists() else said


def _entries(plugins: Sequence[RunPlugin], links: Path) -> dict[str, list[Entry]]:
    found: dict[str, dict[str, Entry]] = {}
    for plugin in plugins:
        entries = found.setdefault(plugin.kind, {})
        for each in plugin.lineage:
            if not each.get("is_locked"):
                entries.setdefault(str(each["name"]), _plain(each))
        own = entries[plugin.name]
        own["executable"] = str(links / plugin.name)
        commands = {
            command: {**told, "executable": str(links / f"{plugin.name}:{command}")}
            for command, told in _commands(plugin.lineage)
        }
        if commands:
            own["commands"] = {**(own.get("commands") or {}), **commands}
    return {kind: list(entries.values()) for kind, entries in found.items()}


def _plain(entry: Entry) -> Entry:
    """Return an entry without what people read, and without what it is run by."""
    kept = {name: value for name, value in entry.items() if name not in FOR_PEOPLE | REPLACED}
    if "settings" in kept:
        kept["settings"] = [
            {name: value for name, value in each.items() if name not in FOR_PEOPLE}
            for each in kept["settings"]
        ]
    return kept


def _absolute(value: Any, root: Path) -> Any:
    """Return a value in which the project's folder is the one that it was written for."""
    if isinstance(value, str):
        return ROOT.sub(lambda _: str(root), value)
    if isinstance(value, dict):
        return {name: _absolute(each, root) for name, each in value.items()}
    if isinstance(value, list):
        return [_absolute(each, root) for each in value]
    return value
