"""Reads what there is, all at once: as many statements for one project as for a thousand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.api.desired_state import settings
from scout_control.api.desired_state.items import Actual, Item, Key, Kind
from scout_control.errors import ControlError
from scout_control.installation import secret_context
from scout_control.installation.installation import PARAMETERS
from scout_control.rules import retention
from scout_control.rules.lost_accounts import Account
from scout_control.rules.statuses import LIVE, WAITING
from scout_control.rules.wording import counted
from scout_control.store import lookups, metadata
from scout_control.store.models import (
    Connection,
    Credential,
    Dataset,
    Project,
    ProjectSource,
    Run,
    Source,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from sqlalchemy.orm import Session

    from scout_control.api.desired_state.items import Catalog, State
    from scout_control.installation.encryption import EncryptionContext
    from scout_control.installation.installation import Installation
    from scout_control.meltano.project import SourceType


def read(installation: Installation, secrets_of: AbstractSet[Kind]) -> Actual:
    """Return what there is; secrets are decrypted only of the given kinds."""
    with installation.store.begin() as session:
        return _Reader(installation, session, secrets_of).read()


def catalog(installation: Installation, source: str) -> Catalog:
    """Return the discovered streams of a source; empty before the first discovery."""
    with installation.store.begin() as session:
        named = select(Source.id).where(Source.name == source, Source.is_active)
        found = session.scalar(named)
        return {} if found is None else metadata.catalog_of_source(session, found)


@dataclass
class _Reader:
    installation: Installation
    session: Session
    secrets_of: AbstractSet[Kind]
    items: State = field(default_factory=dict)
    types: dict[str, SourceType] = field(default_factory=dict)

    def read(self) -> Actual:
        self.types = {each.name: each for each in self.installation.plugins.source_types()}
        sources = list(self.session.scalars(select(Source).where(Source.is_active)))
        datasets: dict[Any, list[Dataset]] = {}
        for dataset in self.session.scalars(select(Dataset)):
            datasets.setdefault(dataset.project_source_id, []).append(dataset)
        credentials = list(self.session.scalars(select(Credential).order_by(Credential.project_id)))
        self._add_connections()
        self._add_sources(sources, credentials)
        self._add_projects()
        self._add_links(datasets, self._busy_links())
        self._add_credentials(credentials)
        owned = [each for group in datasets.values() for each in group]
        return Actual(
            items=self.items,
            projects_with_data=frozenset(
                each.project_source.project_id for each in owned if each.last_sync_at is not None
            ),
            aliases={each.alias: lookups.path(each) for each in owned if each.alias},
            dataset_schemas=frozenset(
                name for each in owned for name in (each.schema_name, each.alias) if name
            ),
            omitted=_omitted(owned, credentials),
        )

    def _add_connections(self) -> None:
        columns = ("description", "host", "port", "database", "sslmode")
        found = select(Connection).where(Connection.is_active).order_by(Connection.name)
        for row in self.session.scalars(found):
            secrets, parameters = self._login(row)
            fields = {name: getattr(row, name) for name in columns}
            self.items[Key(Kind.CONNECTION, row.name)] = Item(
                fields={**fields, "parameters": parameters},
                secrets=secrets,
                is_kept=row.host is None,
            )

    def _login(self, row: Connection) -> tuple[Mapping[str, str] | None, Mapping[str, str]]:
        """Return user and password of a connection, and the parameters stored with them."""
        if row.login is None or Kind.CONNECTION not in self.secrets_of:
            return {}, {}
        try:
            login = self.installation.login_of(row)
        except ControlError:
            return None, {}
        parameters = login.pop(PARAMETERS, {})
        return login, parameters

    def _add_sources(self, sources: list[Source], credentials: list[Credential]) -> None:
        for row in sorted(sources, key=lambda each: each.name):
            fields = {
                "type": row.source_type,
                "base_url": row.base_url,
                **settings.from_stored(row.config),
                "client_id": row.oauth_client_id,
            }
            source_type = self.types.get(row.source_type)
            secrets: Mapping[str, str] | None = {}
            if source_type is not None:
                context = secret_context.of_client_secret(row, source_type)
                secrets = self._decrypt(Kind.SOURCE, row.oauth_client_secret, context)
            users = sum(each.source_id == row.id and bool(each.user_id) for each in credentials)
            self.items[Key(Kind.SOURCE, row.name)] = Item(
                fields=fields,
                secrets=secrets,
                address=settings.address(fields, source_type) if source_type else {},
                accounts=tuple(_account(each) for each in credentials if _is_of(each, row)),
                data=f"the credentials of {counted(users, 'user')}" if users else "",
            )

    def _add_projects(self) -> None:
        for row in self.session.scalars(select(Project).where(Project.is_active)):
            fields = {
                "name": row.name,
                "connection": row.connection.name,
                "db_schema": row.db_schema,
            }
            self.items[Key(Kind.PROJECT, row.id)] = Item(fields=fields)

    def _busy_links(self) -> Mapping[Any, str]:
        """Return the links of which a dataset is being loaded, each with its run."""
        in_progress = [status for status in LIVE if status not in WAITING]
        found = select(Dataset.project_source_id, Run.id).join(Run, Run.dataset_id == Dataset.id)
        rows = self.session.execute(found.where(Run.status.in_(in_progress)))
        return {link: str(run) for link, run in rows}

    def _add_links(self, datasets: Mapping[Any, list[Dataset]], busy: Mapping[Any, str]) -> None:
        for row in self.session.scalars(select(ProjectSource)):
            fields = {
                "mode": row.credential_mode,
                "interval": row.refresh_interval_hours,
                **settings.from_stored(row.sync_config),
            }
            owned = datasets.get(row.id, [])
            data = "; ".join(filter(None, map(_data, owned)))
            key = Key.of(Kind.LINK, row.project_id, row.source.name)
            self.items[key] = Item(
                fields=fields, data=data, busy_with=busy.get(row.id), is_active=row.is_active
            )
            for dataset in owned:
                if dataset.user_id is None:
                    self.items[Key(Kind.DATASET, key.name)] = _dataset(dataset)

    def _add_credentials(self, credentials: list[Credential]) -> None:
        for row in credentials:
            source_type = self.types.get(row.source.source_type)
            if row.project_id is None or source_type is None:
                continue
            context = secret_context.of_credential(row, row.source, source_type)
            self.items[Key.of(Kind.CREDENTIAL, row.project_id, row.source.name)] = Item(
                fields={"kind": row.kind},
                secrets=self._decrypt(Kind.CREDENTIAL, row.secrets, context),
                address=self.items[Key(Kind.SOURCE, row.source.name)].address,
                is_rejected=not row.is_valid,
            )

    def _decrypt(
        self, kind: Kind, ciphertext: bytes | None, context: EncryptionContext
    ) -> Mapping[str, str] | None:
        """Return the fields of a stored secret; None if they are of no use any longer."""
        if ciphertext is None or kind not in self.secrets_of:
            return {}
        keyring = self.installation.keyring
        try:
            fields = keyring.decrypt(ciphertext, context)
        except ControlError:
            return None
        return {str(name): str(value) for name, value in fields.items()}


def _is_of(credential: Credential, source: Source) -> bool:
    return credential.source_id == source.id and credential.is_valid


def _account(row: Credential) -> Account:
    owner, name = ("user", row.user_id) if row.user_id else ("project", str(row.project_id))
    return Account(source=row.source.name, owner=owner, name=name, kind=row.kind)


def _dataset(row: Dataset) -> Item:
    keep = None if row.keep_hours is None else retention.format_period(row.keep_hours)
    fields = {"readers": row.readers, "keep": keep, "paused": row.is_paused, "alias": row.alias}
    return Item(fields=fields)


def _data(dataset: Dataset) -> str:
    """Return what data a dataset has, for people."""
    if dataset.last_sync_at is None and not dataset.row_counts:
        return ""
    rows = sum(count for count in dataset.row_counts.values() if isinstance(count, int))
    return f"{counted(rows, 'row')} of {lookups.path(dataset)}"


def _omitted(datasets: list[Dataset], credentials: list[Credential]) -> str:
    users = sum(each.user_id is not None for each in datasets)
    accounts = sum(each.user_id is not None for each in credentials)
    if not users and not accounts:
        return ""
    return f"{counted(users, 'dataset')} and {counted(accounts, 'credential')} of users"
