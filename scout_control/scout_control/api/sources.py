"""Sources and their links to projects."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select

from scout_control.api import views
from scout_control.api.source_config import check_config, check_interval, check_url
from scout_control.credentials import renewal
from scout_control.datasets import deletion
from scout_control.errors import ConflictError, SettingsError
from scout_control.installation import secret_context
from scout_control.runs import prepare
from scout_control.store import audit, lookups, metadata, models, run_cancellation
from scout_control.store.datasets import withdraw_consent
from scout_control.store.models import Credential, Dataset, ProjectSource, Run, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_control.installation.installation import Site
    from scout_control.meltano.project import SourceType

MODES = ("project", "user")


@dataclass(frozen=True)
class Sources:
    """Configured sources."""

    _site: Site

    def types(self) -> list[SourceType]:
        """Return the source types: all extractors of meltano.yml, whoever wrote them."""
        return self._site.plugins.source_types()

    def list(self) -> list[views.Source]:
        """Return all active sources."""
        with self._site.store.begin() as session:
            found = session.scalars(select(Source).where(Source.is_active).order_by(Source.name))
            return [views.Source.of(each) for each in found]

    def show(self, name: str) -> views.Source:
        """Return one source."""
        with self._site.store.begin() as session:
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
        """Remember a source.

        Raises:
            NotFoundError: meltano.yml declares no such extractor.
            SettingsError: A setting is none of the extractor's, or a secret, or the URL is unsafe.
        """
        if not name or "/" in name:
            raise SettingsError("A source's name is not empty and has no slash.", "Choose another.")
        kind = self._site.plugins.source_type(source_type)
        settings = check_config(kind, config or {})
        check_url(base_url)
        with self._site.store.begin() as session:
            found = Source(
                id=uuid.uuid4(),
                name=name,
                source_type=kind.name,
                base_url=base_url,
                config=settings,
                oauth_client_id=client_id,
                created_by=audit.actor(),
            )
            self._keep_secret(found, kind, client_secret)
            session.add(found)
            told = audit.changes(found)
            session.flush()
            audit.record(session, "added", "source", found.id, source=name, changes=told)
            return views.Source.of(found)

    def update(
        self,
        name: str,
        *,
        base_url: str | None = None,
        config: Mapping[str, Any] | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> views.Source:
        """Change a source; what is not named stays, the client secret too.

        Another address, or a less safe way there: its logins need to be connected again.
        """
        with self._site.store.begin() as session:
            found = lookups.source(session, name)
            kind = self._site.plugins.source_type(found.source_type)
            before = secret_context.address_of(found, kind)
            if config is not None:
                known = metadata.streams_of_source(session, found.id)
                found.config = {**found.config, **check_config(kind, config, known)}
            if base_url is not None:
                check_url(base_url)
                found.base_url = base_url
            if client_id is not None:
                found.oauth_client_id = client_id
            self._keep_secret(found, kind, client_secret)
            told = audit.changes(found)
            audit.record(session, "updated", "source", found.id, source=found.name, changes=told)
            if secret_context.address_of(found, kind) != before:
                moved = renewal.move(session, found)
                names = {"source": found.name}
                audit.record(session, "moved", "source", found.id, **names, logins=moved)
            return views.Source.of(found)

    def remove(self, name: str) -> Sequence[str]:
        """Forget a source and its logins, and ask it to take back what it granted by OAuth.

        Returns:
            The logins that the source did not confirm to have revoked.

        Raises:
            ConflictError: A project is linked to it.
        """
        with self._site.store.begin() as session:
            found = lookups.source(session, name)
            links = session.scalar(select(func.count()).where(ProjectSource.source_id == found.id))
            if links:
                raise ConflictError(
                    f"The source {name} is linked to {links} project(s).",
                    "Unlink it first: scout sources unlink --drop",
                )
            logins = session.scalars(select(Credential).where(Credential.source_id == found.id))
            grants = renewal.forget(
                session, self._site.keyring, self._site.plugins, list(logins.all())
            )
            session.delete(found)
            audit.record(session, "removed", "source", found.id, source=found.name)
        return renewal.end(grants)

    def links(self, project: str | None = None) -> Sequence[views.Link]:
        """Return which sources are linked to which projects.

        Raises:
            NotFoundError: There is no such project.
        """
        statement = select(ProjectSource).where(ProjectSource.is_active)
        with self._site.store.begin() as session:
            if project is not None:
                found = lookups.project(session, project)
                statement = statement.where(ProjectSource.project_id == found.id)
            links = session.scalars(statement.order_by(ProjectSource.project_id))
            return [views.Link.of(each) for each in links]

    def link(
        self,
        project: str,
        source: str,
        *,
        mode: str = "user",
        interval_hours: int = 24,
        config: Mapping[str, Any] | None = None,
    ) -> views.Link:
        """Let a project use a source: with its own login, or each user with theirs.

        Raises:
            SettingsError: The mode, a setting or a stream is unknown.
        """
        check_interval(interval_hours)
        if mode not in MODES:
            raise SettingsError(f"There is no mode {mode!r}.", f"Use one of: {', '.join(MODES)}.")
        with self._site.store.begin() as session:
            of_project = lookups.project(session, project)
            of_source = lookups.source(session, source)
            kind = self._site.plugins.source_type(of_source.source_type)
            known = metadata.streams_of_source(session, of_source.id)
            settings = check_config(kind, config or {}, known)
            found = session.scalar(
                select(ProjectSource).where(
                    ProjectSource.project_id == of_project.id,
                    ProjectSource.source_id == of_source.id,
                )
            )
            if found is None:
                found = ProjectSource(project=of_project, source=of_source)
                session.add(found)
            found.credential_mode, found.is_active = mode, True
            found.refresh_interval_hours = interval_hours
            found.sync_config = settings
            told = audit.changes(found)
            session.flush()
            prepare.check_link(kind, found)
            names = {"project": of_project.id, "source": of_source.name}
            audit.record(session, "linked", "source", of_source.id, **names, changes=told)
            return views.Link.of(found)

    def unlink(self, project: str, source: str, *, drop: bool = False) -> None:
        """Stop refreshing a source for a project; its data expires, or is dropped now.

        Runs that wait are cancelled; one that is running ends first.

        Raises:
            ConflictError: A run is in progress, or something outside depends on the data.
        """
        with self._site.store.begin() as session:
            found = lookups.link(session, project, source, include_inactive=drop)
            found.is_active = False
            datasets = session.scalars(
                select(Dataset).where(Dataset.project_source_id == found.id)
            ).all()
            for dataset in datasets:
                run_cancellation.cancel_waiting(session, dataset.id)
                withdraw_consent(dataset)
            names = {"project": found.project_id, "source": found.source.name}
            audit.record(session, "unlinked", "source", found.source_id, **names, drop=drop)
        if not drop:
            return
        for dataset in datasets:
            deletion.drop(self._site, dataset.id)
        with self._site.store.begin() as session:
            ids = [dataset.id for dataset in datasets]
            session.execute(delete(Run).where(Run.dataset_id.in_(ids)))
            session.execute(delete(Dataset).where(Dataset.id.in_(ids)))
            session.execute(delete(models.ProjectSource).where(models.ProjectSource.id == found.id))

    def _keep_secret(self, found: Source, kind: SourceType, client_secret: str | None) -> None:
        if client_secret is not None:
            found.oauth_client_secret = self._site.keyring.encrypt(
                {"client_secret": client_secret}, secret_context.of_client_secret(found, kind)
            )
