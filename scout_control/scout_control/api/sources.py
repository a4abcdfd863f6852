"""Sources, and their links to projects."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select

from scout_control.api import views
from scout_control.api.source_config import check_config, check_interval, check_url
from scout_control.credentials import renewal
from scout_control.credentials.link_settings import check_link
from scout_control.datasets import dataset_drop
from scout_control.errors import ConflictError, SettingsError
from scout_control.installation import secret_context
from scout_control.store import audit, lookups, metadata, run_cancellation
from scout_control.store.datasets import withdraw_consent
from scout_control.store.models import Credential, Dataset, ProjectSource, Run, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation
    from scout_control.meltano.project import SourceType

MODES = ("project", "user")


@dataclass(frozen=True)
class Sources:
    """Configured sources, and which projects use them."""

    _installation: Installation

    def types(self) -> list[SourceType]:
        """Return the source types: all extractors of meltano.yml."""
        return self._installation.plugins.source_types()

    def list(self) -> list[views.Source]:
        """Return all active sources."""
        with self._installation.store.begin() as session:
            rows = session.scalars(select(Source).where(Source.is_active).order_by(Source.name))
            return [views.Source.of(row) for row in rows]

    def show(self, name: str) -> views.Source:
        """Return one source."""
        with self._installation.store.begin() as session:
            return views.Source.of(lookups.source(session, name))

    def add(
        self,
        name: str,
        source_type: str,
        *,
        base_url: str | None = None,
        config: Mapping[str, Any] | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> views.Source:
        """Add a source.

        Args:
            name: A name for it, without a slash.
            source_type: An extractor of meltano.yml, with or without ``tap-``.
            base_url: The URL of the server; defaults to that of the source type.
            config: Settings of the tap, without secrets.
            client_id: The client id of an OAuth application registered at the source.
            client_secret: Its client secret.

        Raises:
            NotFoundError: meltano.yml has no such extractor.
            SettingsError: A setting is unknown or a secret, or the URL is unsafe.
        """
        if not name or "/" in name:
            raise SettingsError(
                "The name of a source must not be empty or contain a slash.", "Choose another name."
            )
        extractor = self._installation.plugins.source_type(source_type)
        settings = check_config(extractor, config or {})
        check_url(base_url)
        with self._installation.store.begin() as session:
            source = Source(
                id=uuid.uuid4(),
                name=name,
                source_type=extractor.name,
                base_url=base_url,
                config=settings,
                oauth_client_id=client_id,
                created_by=audit.actor(),
            )
            self._store_client_secret(source, extractor, client_secret)
            session.add(source)
            changes = audit.changes(source)
            session.flush()
            audit.record(session, "added", "source", source.id, source=name, changes=changes)
            return views.Source.of(source)

    def update(
        self,
        name: str,
        *,
        base_url: str | None = None,
        config: Mapping[str, Any] | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> views.Source:
        """Change a source; arguments that are left out keep their values.

        After a change of its address, or of how certificates are checked, all accounts of the
        source must be connected again.
        """
        with self._installation.store.begin() as session:
            source = lookups.source(session, name)
            extractor = self._installation.plugins.source_type(source.source_type)
            # Compared by meaning: another path of the same host, or the default port spelled out,
            # is the same address.
            address_before = secret_context.source_address(source, extractor)
            if config is not None:
                known = metadata.streams_of_source(session, source.id)
                source.config = {**source.config, **check_config(extractor, config, known)}
            if base_url is not None:
                check_url(base_url)
                source.base_url = base_url
            if client_id is not None:
                source.oauth_client_id = client_id
            self._store_client_secret(source, extractor, client_secret)
            changes = audit.changes(source)
            audit.record(
                session, "updated", "source", source.id, source=source.name, changes=changes
            )
            if secret_context.source_address(source, extractor) != address_before:
                count = renewal.invalidate_all(session, source)
                names = {"source": source.name}
                audit.record(session, "moved", "source", source.id, **names, logins=count)
            return views.Source.of(source)

    def remove(self, name: str) -> Sequence[str]:
        """Remove a source with its credentials, and revoke their OAuth tokens at the source.

        Returns:
            The credentials whose revocation the source did not confirm.

        Raises:
            ConflictError: A project is linked to the source.
        """
        with self._installation.store.begin() as session:
            source = lookups.source(session, name)
            links = session.scalar(select(func.count()).where(ProjectSource.source_id == source.id))
            if links:
                raise ConflictError(
                    f"The source {name} is linked to {links} project(s).",
                    "Unlink it first: scout sources unlink --drop",
                )
            credentials = session.scalars(
                select(Credential).where(Credential.source_id == source.id)
            ).all()
            grants = renewal.delete_credentials(
                session, self._installation.keyring, self._installation.plugins, credentials
            )
            session.delete(source)
            audit.record(session, "removed", "source", source.id, source=source.name)
        # After the commit: a rollback must not leave a credential whose token is revoked.
        return renewal.revoke_grants(grants)

    def links(self, project: str | None = None) -> Sequence[views.Link]:
        """Return the links of all projects, or of one.

        Raises:
            NotFoundError: The project does not exist.
        """
        statement = select(ProjectSource).where(ProjectSource.is_active)
        with self._installation.store.begin() as session:
            if project is not None:
                row = lookups.project(session, project)
                statement = statement.where(ProjectSource.project_id == row.id)
            links = session.scalars(statement.order_by(ProjectSource.project_id))
            return [views.Link.of(link) for link in links]

    def link(
        self,
        project: str,
        source: str,
        *,
        mode: str = "user",
        interval_hours: int = 24,
        config: Mapping[str, Any] | None = None,
    ) -> views.Link:
        """Let a project use a source, or change how it does.

        Args:
            project: The id of the project.
            source: The name of the source.
            mode: ``project`` to use one credential of the project, ``user`` for each user's own.
            interval_hours: Hours between scheduled runs.
            config: Settings that choose what is read; the address is a setting of the source.

        Raises:
            SettingsError: The mode, a setting or a stream is unknown.
        """
        check_interval(interval_hours)
        if mode not in MODES:
            raise SettingsError(f"Unknown mode {mode!r}.", f"Use one of: {', '.join(MODES)}.")
        with self._installation.store.begin() as session:
            project_row = lookups.project(session, project)
            source_row = lookups.source(session, source)
            extractor = self._installation.plugins.source_type(source_row.source_type)
            known = metadata.streams_of_source(session, source_row.id)
            settings = check_config(extractor, config or {}, known)
            link = session.scalar(
                select(ProjectSource).where(
                    ProjectSource.project_id == project_row.id,
                    ProjectSource.source_id == source_row.id,
                )
            )
            if link is None:
                link = ProjectSource(project=project_row, source=source_row)
                session.add(link)
            link.credential_mode, link.is_active = mode, True
            link.refresh_interval_hours = interval_hours
            link.sync_config = settings
            changes = audit.changes(link)  # before the flush, which resets the history of columns
            session.flush()
            check_link(extractor, link)
            names = {"project": project_row.id, "source": source_row.name}
            audit.record(session, "linked", "source", source_row.id, **names, changes=changes)
            return views.Link.of(link)

    def unlink(self, project: str, source: str, *, drop: bool = False) -> None:
        """Detach a source from a project; its data expires, or is dropped now.

        Queued runs are cancelled; a run in progress finishes first.

        Args:
            project: The id of the project.
            source: The name of the source.
            drop: Drop the data now. May be repeated after an earlier call without it.

        Raises:
            ConflictError: A run is in progress, or an object outside depends on the data.
        """
        with self._installation.store.begin() as session:
            link = lookups.link(session, project, source, include_inactive=drop)
            link.is_active = False
            datasets = session.scalars(
                select(Dataset).where(Dataset.project_source_id == link.id)
            ).all()
            for dataset in datasets:
                run_cancellation.cancel_waiting(session, dataset.id)
                withdraw_consent(dataset)
            names = {"project": link.project_id, "source": link.source.name}
            audit.record(session, "unlinked", "source", link.source_id, **names, drop=drop)
        if not drop:
            return
        for dataset in datasets:
            dataset_drop.drop(self._installation, dataset.id)
        with self._installation.store.begin() as session:
            _delete_link(session, link.id, [dataset.id for dataset in datasets])

    def _store_client_secret(
        self, source: Source, source_type: SourceType, client_secret: str | None
    ) -> None:
        if client_secret is not None:
            context = secret_context.of_client_secret(source, source_type)
            source.oauth_client_secret = self._installation.keyring.encrypt(
                {"client_secret": client_secret}, context
            )


def _delete_link(session: Session, link_id: uuid.UUID, dataset_ids: list[uuid.UUID]) -> None:
    session.execute(delete(Run).where(Run.dataset_id.in_(dataset_ids)))
    session.execute(delete(Dataset).where(Dataset.id.in_(dataset_ids)))
    session.execute(delete(ProjectSource).where(ProjectSource.id == link_id))
