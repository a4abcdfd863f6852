"""Reads a project's meltano.yml: source types (its extractors) and their jobs.

Any extractor works with its entry there alone. What Meltano has no setting for is declared under
``annotations: scout:`` of the entry:

* ``logins``: accepted kinds of credentials, the preferred one first
* ``oauth``: paths relative to the source's ``base_url``, and the scopes to request
* ``fields``: settings of the tap whose names differ from the fields of a credential
* ``metadata_streams``: small streams that describe the source; kept when the data expires
* ``streams``: all streams, if these are the same for every source
* ``addresses``: settings that locate the source despite their names; links cannot set them
* ``filters``: settings that select data despite their names or values
* ``account_pages``: by what is shown there, pages of the server where an account is set up
* ``patterns``: the form of a setting's values, as a regular expression and described

Required settings are declared as for Meltano itself, by ``settings_group_validation``.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scout_control.errors import NotFoundError, SettingsError
from scout_control.meltano import executables, run_project
from scout_control.meltano.project_file import MODELS_OF_CHECKOUT, read_project
from scout_control.meltano.setting_kinds import SettingKind
from scout_control.rules.addresses import Addresses
from scout_control.rules.credential_kinds import ANY_SETTINGS, NO_CREDENTIAL
from scout_control.rules.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LOADER = "target-scout-postgres"
DBT_FOLDER = "DBT_PROJECT_DIR"
STREAMS_SETTING = "datasets"
"""The setting of a source or a link that selects the streams to read."""


@dataclass(frozen=True, kw_only=True)
class OAuthPaths:
    """The OAuth endpoints of a source type, relative to its base URL."""

    authorize: str
    token: str
    revoke: str | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ValuePattern:
    """The form of a setting's value, or of each value of a list."""

    expression: re.Pattern[str]
    description: str


@dataclass(frozen=True, kw_only=True)
class SourceType:
    """An extractor of meltano.yml."""

    name: str
    label: str
    executable: str
    settings: tuple[str, ...]
    sensitive: tuple[str, ...]
    base_url: str | None = None
    credential_kinds: tuple[str, ...] = ()
    oauth: OAuthPaths | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    metadata_streams: tuple[str, ...] = ()
    streams: frozenset[str] = frozenset()
    setting_kinds: Mapping[str, SettingKind] = field(default_factory=dict)
    """The expected type of each setting; a setting without an entry accepts any value."""
    addresses: Addresses = field(default_factory=Addresses)
    """Which settings locate the source or secure the connection; only the source may set them."""
    patterns: Mapping[str, ValuePattern] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)
    """Paths of pages where people set up an account, by what they find there."""
    required: tuple[frozenset[str], ...] = ()
    """Groups of settings, one of which must be complete."""
    preset: frozenset[str] = frozenset()
    """Settings to which meltano.yml gives a value."""
    job: str | None = None
    blocks: tuple[str, ...] = ()

    @property
    def needs_credential(self) -> bool:
        """Whether the source requires a credential."""
        return bool(self.credential_kinds) and self.credential_kinds != (NO_CREDENTIAL,)

    @property
    def transforms(self) -> tuple[str, ...]:
        """The blocks after the load."""
        return self.blocks[2:]

    def account_pages(self, base_url: str | None) -> dict[str, str]:
        """Return the addresses of the pages where an account is set up at a server."""
        server = (base_url or self.base_url or "").rstrip("/")
        return {what: f"{server}{path}" for what, path in self.pages.items()} if server else {}

    def variable(self, setting: str) -> str:
        """Return the environment variable of a setting."""
        name = self.fields.get(setting, setting)
        return f"{self.name}_{name}".replace("-", "_").replace(".", "_").upper()


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job of meltano.yml that loads one source type and may transform the data."""

    name: str
    provider: str
    blocks: tuple[str, ...]

    @property
    def transforms(self) -> tuple[str, ...]:
        """The blocks after the load."""
        return self.blocks[2:]


class Plugins:
    """The extractors and jobs of a Meltano project."""

    def __init__(self, project_root: Path) -> None:
        self._root = project_root
        self._file = project_root / "meltano.yml"
        self._document = read_project(self._file)

    def jobs(self) -> list[Job]:
        """Return the jobs that load into a dataset schema.

        Raises:
            SettingsError: A job is not a list of blocks.
        """
        return [job for job in map(self._job, self._document.get("jobs") or ()) if job is not None]

    def source_types(self) -> list[SourceType]:
        """Return all source types."""
        extractors = (self._document.get("plugins") or {}).get("extractors") or ()
        return [self._source_type(entry) for entry in extractors]

    def source_type(self, name: str) -> SourceType:
        """Return a source type by its name, with or without ``tap-``.

        Raises:
            NotFoundError: meltano.yml declares no such extractor.
        """
        known = {each.name: each for each in self.source_types()}
        for candidate in (name, f"tap-{name}", f"tap-{name.replace('_', '-')}"):
            if candidate in known:
                return known[candidate]
        raise NotFoundError(
            f"{self._file} has no source type {name!r}; available: {', '.join(known)}.",
            f"{_suggestion(name, known)} it to the extractors there; see "
            "docs/guides/add-a-source.md.",
        )

    def program(self, name: str) -> str:
        """Return the path of a plugin's program.

        Raises:
            SettingsError: It is not installed.
        """
        return executables.find(run_project.find(self._root, self._document, name))

    def is_installed(self, name: str) -> bool:
        """Return whether the program of a plugin is installed."""
        try:
            return os.access(self.program(name), os.X_OK)
        except SettingsError:
            return False

    @property
    def models_folder(self) -> Path:
        """The folder that holds ``models/custom``, and may hold the dbt project."""
        utilities = (self._document.get("plugins") or {}).get("utilities") or ()
        settings = (each for entry in utilities for each in entry.get("settings") or ())
        named = (each.get("value") for each in settings if each.get("env") == DBT_FOLDER)
        found = next((str(value) for value in named if value), MODELS_OF_CHECKOUT)
        return Path(found.replace("$MELTANO_PROJECT_ROOT", str(self._root)))

    def _source_type(self, entry: Mapping[str, Any]) -> SourceType:
        annotations = (entry.get("annotations") or {}).get("scout") or {}
        settings = entry.get("settings") or []
        names = tuple(str(setting["name"]) for setting in settings)
        sensitive = tuple(str(each["name"]) for each in settings if each.get("sensitive"))
        values = {str(setting["name"]): setting.get("value") for setting in settings}
        values |= entry.get("config") or {}
        setting_kinds = {str(each["name"]): kind for each in settings if (kind := _kind(each))}
        job = next((job for job in self.jobs() if job.provider == entry["name"]), None)
        return SourceType(
            name=str(entry["name"]),
            label=str(entry.get("label") or entry["name"]),
            executable=str(entry.get("executable") or entry["name"]),
            settings=names,
            sensitive=sensitive,
            base_url=values.get("base_url"),
            credential_kinds=tuple(
                annotations.get("logins") or ((ANY_SETTINGS,) if sensitive else ())
            ),
            oauth=_oauth(annotations.get("oauth")),
            fields=annotations.get("fields") or {},
            metadata_streams=tuple(annotations.get("metadata_streams") or ()),
            streams=frozenset(annotations.get("streams") or ()),
            setting_kinds=setting_kinds,
            addresses=Addresses(
                declared=frozenset(annotations.get("addresses") or ()) | _files(settings),
                filters=frozenset(annotations.get("filters") or ()),
            ),
            patterns=_patterns(annotations.get("patterns") or {}),
            pages=annotations.get("account_pages") or {},
            required=tuple(map(frozenset, entry.get("settings_group_validation") or ())),
            preset=frozenset(name for name, value in values.items() if value is not None),
            job=job.name if job else None,
            blocks=job.blocks if job else (str(entry["name"]), LOADER),
        )

    def _job(self, entry: Mapping[str, Any]) -> Job | None:
        tasks = entry.get("tasks")
        if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
            raise SettingsError(
                f"The job {entry.get('name')} in {self._file} is not a list of blocks.",
                "Write tasks as: - tap-x target-scout-postgres",
            )
        blocks = tuple(" ".join(tasks).split())
        if blocks[1:2] != (LOADER,):
            return None
        return Job(name=str(entry["name"]), provider=blocks[0], blocks=blocks)


def _kind(setting: Mapping[str, Any]) -> SettingKind | None:
    options = tuple(str(each["value"]) for each in setting.get("options") or ())
    return SettingKind.of(str(setting.get("kind") or ""), options)


def _patterns(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, ValuePattern]:
    return {
        str(name): ValuePattern(
            expression=re.compile(each["pattern"]), description=str(each["description"])
        )
        for name, each in entries.items()
    }


def _files(settings: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(str(each["name"]) for each in settings if each.get("kind") == "file")


def _oauth(entry: Mapping[str, Any] | None) -> OAuthPaths | None:
    if not entry:
        return None
    return OAuthPaths(
        authorize=entry["authorize"],
        token=entry["token"],
        revoke=entry.get("revoke"),
        scopes=tuple(entry.get("scopes") or ()),
    )


def _suggestion(name: str, known: Iterable[str]) -> str:
    short_names = [each.removeprefix("tap-") for each in known]
    meant = did_you_mean([name.removeprefix("tap-")], short_names)
    return f"{meant} Else add" if meant else "Add"


def as_text(value: Any) -> str:
    """Return the text of a setting for an environment variable."""
    return value if isinstance(value, str) else json.dumps(value)
