"""What the project's meltano.yml offers: source types (its extractors) and pipelines (its jobs).

Whoever wrote an extractor, its entry there is all that is needed. What Meltano does not know about
a source type, how to log in, stands under ``annotations: scout:`` of the entry:

* ``logins``: kinds of login that it takes, the best first
* ``oauth``: paths at the source's ``base_url``, and the scopes to ask for
* ``fields``: settings of the tap that are called otherwise than the fields of a login
* ``metadata_streams``: small streams whose rows describe the source, kept after the data expired
* ``streams``: all streams, where these are the same for every source
* ``addresses``: settings that say where data is read from and are not called so; no link sets them
* ``filters``: settings that choose what is read, whatever they are called or look like
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from scout_control.errors import NotFoundError, SettingsError
from scout_control.meltano import trusted_files
from scout_control.meltano.setting_kinds import Kind
from scout_control.rules.addresses import Addresses
from scout_control.rules.credential_kinds import ANY_SETTINGS, NO_LOGIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOADER = "target-scout-postgres"
SELECTED = "datasets"
"""The setting of a source or a link that names the streams to read."""
QUICKEST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, kw_only=True)
class OAuthPaths:
    """Where a source type does OAuth, relative to its base URL."""

    authorize: str
    token: str
    revoke: str | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SourceType:
    """An extractor of meltano.yml."""

    name: str
    label: str
    executable: str
    settings: tuple[str, ...]
    sensitive: tuple[str, ...]
    base_url: str | None = None
    logins: tuple[str, ...] = ()
    oauth: OAuthPaths | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    metadata_streams: tuple[str, ...] = ()
    streams: frozenset[str] = frozenset()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """What the value of each setting must be; nothing is known of one that is not here."""
    addresses: Addresses = field(default_factory=Addresses)
    """Which settings say where data is read from, and how safely: a source's alone."""
    job: str | None = None
    blocks: tuple[str, ...] = ()

    @property
    def needs_login(self) -> bool:
        """Tell whether nothing can be read without a login."""
        return bool(self.logins) and self.logins != (NO_LOGIN,)

    @property
    def transforms(self) -> tuple[str, ...]:
        """Return the blocks after the load."""
        return self.blocks[2:]

    def variable(self, setting: str) -> str:
        """Return the environment variable of a setting."""
        name = self.fields.get(setting, setting)
        return f"{self.name}_{name}".replace("-", "_").replace(".", "_").upper()


@dataclass(frozen=True, kw_only=True)
class Job:
    """A pipeline: a job of meltano.yml that loads one source type and may transform it."""

    name: str
    provider: str
    blocks: tuple[str, ...]

    @property
    def transforms(self) -> tuple[str, ...]:
        """Return the blocks after the load."""
        return self.blocks[2:]


class Plugins:
    """The extractors and jobs of a Meltano project."""

    def __init__(self, project_root: Path) -> None:
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
        """Return one source type; its ``tap-`` may be left out.

        Raises:
            NotFoundError: meltano.yml declares no such extractor.
        """
        known = {found.name: found for found in self.source_types()}
        for candidate in (name, f"tap-{name}", f"tap-{name.replace('_', '-')}"):
            if candidate in known:
                return known[candidate]
        raise NotFoundError(
            f"There is no source type {name!r} in {self._file}; it knows {', '.join(known)}.",
            "Add it to extractors there; see docs/guides/add-a-source.md.",
        )

    def _source_type(self, entry: Mapping[str, Any]) -> SourceType:
        said = (entry.get("annotations") or {}).get("scout") or {}
        settings = entry.get("settings") or []
        names = tuple(str(setting["name"]) for setting in settings)
        sensitive = tuple(str(each["name"]) for each in settings if each.get("sensitive"))
        values = {str(setting["name"]): setting.get("value") for setting in settings}
        values |= entry.get("config") or {}
        kinds = {str(each["name"]): kind for each in settings if (kind := _kind(each))}
        job = next((job for job in self.jobs() if job.provider == entry["name"]), None)
        return SourceType(
            name=str(entry["name"]),
            label=str(entry.get("label") or entry["name"]),
            executable=str(entry.get("executable") or entry["name"]),
            settings=names,
            sensitive=sensitive,
            base_url=values.get("base_url"),
            logins=tuple(said.get("logins") or ((ANY_SETTINGS,) if sensitive else ())),
            oauth=_oauth(said.get("oauth")),
            fields=said.get("fields") or {},
            metadata_streams=tuple(said.get("metadata_streams") or ()),
            streams=frozenset(said.get("streams") or ()),
            kinds=kinds,
            addresses=Addresses(
                told=frozenset(said.get("addresses") or ()) | _files(settings),
                filters=frozenset(said.get("filters") or ()),
            ),
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


def _kind(setting: Mapping[str, Any]) -> Kind | None:
    options = tuple(str(each["value"]) for each in setting.get("options") or ())
    return Kind.of(str(setting.get("kind") or ""), options)


def _files(settings: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(str(each["name"]) for each in settings if each.get("kind") == "file")


def _oauth(said: Mapping[str, Any] | None) -> OAuthPaths | None:
    if not said:
        return None
    return OAuthPaths(
        authorize=said["authorize"],
        token=said["token"],
        revoke=said.get("revoke"),
        scopes=tuple(said.get("scopes") or ()),
    )


def as_text(value: Any) -> str:
    """Return a setting as an environment variable says it."""
    return value if isinstance(value, str) else json.dumps(value)


def read_project(file: Path) -> Mapping[str, Any]:
    """Return what a meltano.yml says, with the plugins of the files that it includes.

    Raises:
        SettingsError: It cannot be read.
    """
    document = _read(file)
    included = sorted(
        found for said in document.get("include_paths") or () for found in file.parent.glob(said)
    )
    if not included:
        return document
    plugins: dict[str, list[Any]] = {}
    for each in (document, *(_read(found) for found in included if found != file)):
        for kind, entries in (each.get("plugins") or {}).items():
            plugins.setdefault(kind, []).extend(entries or ())
    return {**document, "plugins": plugins}


def _read(file: Path) -> Mapping[str, Any]:
    try:
        document = yaml.load(trusted_files.read_text(file), Loader=QUICKEST)  # noqa: S506 - both are safe loaders
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read: {error.strerror}.", "Set SCOUT_PROJECT_ROOT to its folder."
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{file} is not YAML{line}.", "Correct it.") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{file} holds no settings.", "See the Meltano project's README.")
    return document
