"""Builds the desired items of files; checks them against the plugins and what there is.

All mistakes are noted, so that a person sees them at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, Any

from scout_control.api.credentials import check_fields
from scout_control.api.desired_state import database_names, link_values, settings
from scout_control.api.desired_state.completeness import lacking_link, lacking_source
from scout_control.api.desired_state.items import Item, Key, Kind
from scout_control.api.desired_state.problems import did_you_mean
from scout_control.api.desired_state.references import Secrets, UnreadableError
from scout_control.api.desired_state.schema import SecretReference
from scout_control.api.source_config import check_url
from scout_control.errors import ControlError
from scout_control.rules import identifiers
from scout_control.store import connection_urls
from scout_control.store.connection_urls import ConnectionUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from scout_control.api.desired_state.files import Described, Files
    from scout_control.api.desired_state.items import Actual, Catalog, State
    from scout_control.meltano.project import SourceType


@dataclass
class Builder:
    """Builds items of one set of files."""

    files: Files
    actual: Actual
    find_type: Callable[[str], SourceType]
    secrets: Secrets
    is_pruning: bool = False
    find_catalog: Callable[[str], Catalog] = lambda _: {}
    """Returns the discovered streams of a source."""
    find_own_roles: Callable[[AbstractSet[str]], Mapping[str, str]] = lambda _: {}
    """Returns which roles cannot read a dataset since they are Scout's own, and why."""
    items: State = field(default_factory=dict)
    _types: dict[str, SourceType | None] = field(default_factory=dict)
    _roles: Mapping[str, str] | None = None
    _catalogs: dict[str, Catalog] = field(default_factory=dict)

    def build(self) -> State:
        """Return the desired items.

        Raises:
            InvalidStateError: The files have mistakes.
        """
        for name, each in self.files.connections.items():
            self._add_connection(name, each)
        for name, each in self.files.sources.items():
            self._add_source(name, each)
        for name, each in self.files.projects.items():
            self._add_project(name, each)
        for key, each in self.files.links().items():
            self._add_link(key, each)
        link_values.check_aliases(self.files.links(), self.actual.aliases)
        for each in self.files.credentials:
            for source in each.value.sources:
                self._require(each, Kind.SOURCE, source, "source")
        for key, each in self.files.credentials_of_projects().items():
            self._add_credential(key, each)
        self._check_sources()
        self._check_names()
        self.files.check()
        return self.items

    def _check_sources(self) -> None:
        """Note what a source lacks that no link supplies."""
        for name, each in self.files.sources.items():
            source_type = self._type(name)
            if source_type is None or each.document.problems:
                continue
            known = self.items, self.actual.items
            if problem := lacking_source(name, source_type, *known, self._is_removed):
                each.add_problem(problem)

    def _is_removed(self, key: Key) -> bool:
        return self.is_pruning and self.files.is_prunable(key)

    def _check_names(self) -> None:
        """Note names of new objects that commands could not take."""
        for kind, objects in self._described().items():
            for name, each in objects.items():
                error = identifiers.find_error(
                    name, f"The name of a {kind}", is_id=kind == Kind.PROJECT
                )
                if error and Key(kind, name) not in self.actual.items:
                    each.add_problem(f"is not a possible name. {error}")

    def _described(self) -> Mapping[Kind, Mapping[str, Described]]:
        return {
            Kind.CONNECTION: self.files.connections,
            Kind.SOURCE: self.files.sources,
            Kind.PROJECT: self.files.projects,
        }

    def _add_connection(self, name: str, each: Described) -> None:
        key, connection = Key(Kind.CONNECTION, name), each.value
        found = self.actual.items.get(key)
        if found is not None and found.is_kept:
            each.add_problem("is the database of the store itself. Leave it out.")
            return
        parsed = self._address(each)
        if parsed is None:
            return  # a problem was noted
        names = ("host", "port", "database", "sslmode")
        fields = {name: getattr(parsed, name) for name in names}
        fields |= {"parameters": parsed.parameters, "description": connection.description}
        login = {"user": parsed.user, "password": parsed.password}
        self.items[key] = Item(fields=fields, secrets=login)

    def _address(self, each: Described) -> ConnectionUrl | None:
        """Return where a database is, however it is written; None after noting a problem."""
        connection = each.value
        name = "password" if connection.url is None else "url"
        secret = self._read(each, name)
        if secret is None:
            return None
        try:
            if connection.url is None:
                secret = ConnectionUrl(
                    host=connection.host,
                    port=connection.port,
                    database=connection.database or connection.user,
                    user=connection.user,
                    password=secret,
                    sslmode=connection.sslmode,
                    parameters=connection.parameters,
                ).compose()
            return connection_urls.parse(secret)
        except ControlError as error:
            what = "is wrong" if connection.url is None else "refers to a wrong value"
            each.add_problem(f"{what}. {error}", *(["url"] if connection.url else []))
            return None

    def _add_source(self, name: str, each: Described) -> None:
        source = each.value
        source_type = self._type(name)
        if source_type is None:
            return
        try:
            check_url(source.base_url)
        except ControlError as error:
            each.add_problem(f"is wrong. {error}", "base_url")
            return
        found = self.actual.items.get(Key(Kind.SOURCE, name))
        config = settings.check(each, source_type, self._catalog(name, each), found)
        fields = {
            "type": source_type.name,
            "base_url": source.base_url,
            "config": config,
            **settings.of_file(source),
            "client_id": source.client_id,
        }
        if found is not None and found.fields["type"] != source_type.name:
            text = f"cannot change: it is {found.fields['type']}. Describe another source."
            each.add_problem(text, "type")
        secret = self._read(each, "client_secret")
        self.items[Key(Kind.SOURCE, name)] = Item(
            fields=fields,
            secrets={} if secret is None else {"client_secret": secret},
            address=settings.address(fields, source_type),
        )

    def _add_project(self, name: str, each: Described) -> None:
        project, key = each.value, Key(Kind.PROJECT, name)
        self._require(each, Kind.CONNECTION, project.connection, "connection")
        found = self.actual.items.get(key)
        if (
            found is not None
            and found.fields["connection"] != project.connection
            and name in self.actual.projects_with_data
        ):
            text = (
                f"cannot change: there is data in {found.fields['connection']}. Drop that of each "
                f"dataset first; they are in: scout datasets list --project {quote(name)}"
            )
            each.add_problem(text, "connection")
        database_names.check_schema(each, found, self.actual.dataset_schemas)
        fields = {
            "name": project.name or name,
            "connection": project.connection,
            "db_schema": project.db_schema,
        }
        self.items[key] = Item(fields=fields)

    def _add_link(self, key: Key, each: Described) -> None:
        link = each.value
        if not self._require(each, Kind.SOURCE, key.source):
            return
        source_type = self._type(key.source)
        if source_type is None:
            return
        found = self.actual.items.get(key)
        config = settings.check(each, source_type, self._catalog(key.source, each), found)
        settings.check_link(each, source_type, key.project, key.source)
        fields = {
            "mode": link.mode,
            "interval": link_values.hours(each),
            "config": config,
            **settings.of_file(link),
        }
        self.items[key] = Item(fields=fields)
        self._check_complete(each, key, source_type)
        dataset = Key(Kind.DATASET, key.name)
        database_names.check_readers(each, self.actual.items.get(dataset), self._own_roles())
        if link.mode == "project":
            of_dataset = {"readers": sorted(set(link.readers)), "keep": link_values.period(each)}
            optional = {"paused": link.paused, "alias": link_values.alias(each)}
            managed = {name: value for name, value in optional.items() if value is not None}
            self.items[dataset] = Item(fields={**of_dataset, **managed})

    def _check_complete(self, each: Described, key: Key, source_type: SourceType) -> None:
        """Note a required setting that neither a link nor its source has."""
        if each.document.problems:
            return  # a setting may be missing because it is wrong
        if name := lacking_link(key, source_type, self.items, self.actual.items):
            each.add_problem(
                f"lacks the setting {name}. Write it in config here, or in that of the source."
            )

    def _source_item(self, name: str) -> Item | None:
        key = Key(Kind.SOURCE, name)
        return self.items.get(key) or self.actual.items.get(key)

    def _add_credential(self, key: Key, each: Described) -> None:
        credential = each.value
        is_known = self._require(each, Kind.PROJECT, key.project, "projects")
        source_type = self._type(key.source) if is_known else None
        source = self._source_item(key.source)
        if source_type is None or source is None:
            return
        fields = {
            name: self._resolve(each, value, *_path(credential, name))
            for name, value in credential.given.items()
        }
        if None in fields.values():
            return
        secrets = {name: str(value) for name, value in fields.items()}
        if text := _wrong_credential(source_type, credential.kind, secrets):
            each.add_problem(text, "kind")
        self.items[key] = Item(
            fields={"kind": credential.kind}, secrets=secrets, address=source.address
        )

    def _own_roles(self) -> Mapping[str, str]:
        if self._roles is None:
            named = {role for each in self.files.links().values() for role in each.value.readers}
            self._roles = self.find_own_roles(named) if named else {}
        return self._roles

    def _catalog(self, source: str, each: Described) -> Catalog:
        """Return the discovered streams of a source, if what is described names streams."""
        if not any(settings.of_file(each.value).values()):
            return {}
        if source not in self._catalogs:
            self._catalogs[source] = self.find_catalog(source)
        return self._catalogs[source]

    def _type(self, source: str) -> SourceType | None:
        """Return the type of a source; notes once that there is no such type."""
        if source not in self._types:
            self._types[source] = self._find_type(source)
        return self._types[source]

    def _find_type(self, source: str) -> SourceType | None:
        described = self.files.sources.get(source)
        found = self.actual.items.get(Key(Kind.SOURCE, source))
        if described is None and found is None:
            return None
        name = described.value.type if described else found.fields["type"] if found else ""
        try:
            return self.find_type(name)
        except ControlError as error:
            if described:
                described.add_problem(f"is wrong. {error}", "type")
            return None

    def _require(self, each: Described, kind: Kind, name: str, *below: str) -> bool:
        """Return whether an object is described or exists; note that it does not."""
        stay = {
            key.name
            for key, item in self.actual.items.items()
            if key.kind == kind and (item.is_kept or not self._is_removed(key))
        }
        known = {*self._described()[kind], *stay}
        if name in known:
            return True
        is_removed = Key(kind, name) in self.actual.items
        reason = (
            f"which --prune would remove. Describe it under {kind}s."
            if is_removed
            else f"which does not exist.{did_you_mean(name, known)}"
        )
        each.add_problem(f"refers to the {kind} {name}, {reason}", *below)
        return False

    def _read(self, each: Described, name: str) -> str | None:
        reference = getattr(each.value, name)
        return None if reference is None else self._resolve(each, reference, name)

    def _resolve(self, each: Described, value: str | SecretReference, *path: str) -> str | None:
        """Return a value, or the secret that it refers to; None after noting a problem."""
        if not isinstance(value, SecretReference):
            return value
        try:
            return self.secrets.read(value, each.document.folder)
        except UnreadableError as error:
            each.add_problem(str(error), *path)
            return None


def _path(credential: Any, name: str) -> tuple[str, ...]:
    return ("settings", name) if credential.settings is not None else (name,)


def _wrong_credential(source_type: SourceType, kind: str, fields: Mapping[str, str]) -> str:
    """Return what is wrong with a credential; of one that a person connects, only its kind is."""
    try:
        if fields:
            check_fields(source_type, kind, fields)
    except ControlError as error:
        return f"does not suit {source_type.name}. {error}"
    if kind not in source_type.credential_kinds:
        kinds = ", ".join(source_type.credential_kinds) or "none"
        return f"does not suit {source_type.name}, which takes: {kinds}."
    return ""
