"""Sources: what is read, where it is, and with which OAuth client."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.api import link_remains, views
from scout_control.api.changes import check_name, check_unset, merged
from scout_control.api.links import Links
from scout_control.api.source_config import (
    check_column_rules,
    check_complete,
    check_config,
    check_url,
    setting_names,
    warn_about_unchecked_streams,
)
from scout_control.credentials import renewal
from scout_control.credentials.required_settings import find_missing
from scout_control.errors import ConflictError
from scout_control.installation import secret_context
from scout_control.meltano.project import STREAMS_SETTING
from scout_control.rules import singer_catalog
from scout_control.rules.addresses import BASE_URL
from scout_control.store import audit, creation, lookups, metadata
from scout_control.store.models import Credential, ProjectSource, Source

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation
    from scout_control.meltano.project import SourceType

# What callers call the columns of a source that can be unset, and its selection of streams.
COLUMNS = {
    "base_url": "base_url",
    "client_id": "oauth_client_id",
    "client_secret": "oauth_client_secret",
}
ALIASES = {"streams": STREAMS_SETTING}


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
        may_be_incomplete: bool = False,
    ) -> views.Source:
        """Add a source.

        Args:
            name: A name for it, without a slash.
            source_type: An extractor of meltano.yml, with or without ``tap-``.
            base_url: The URL of the server; defaults to that of the source type.
            config: Settings of the tap, without secrets.
            client_id: The client id of an OAuth application registered at the source.
            client_secret: Its client secret.
            may_be_incomplete: Leave required settings to its links, which must have them then.

        Raises:
            NotFoundError: meltano.yml has no such extractor.
            SettingsError: A setting is unknown, a secret or missing, or the URL is unsafe.
        """
        check_name(name, "The name of a source")
        extractor = self._installation.plugins.source_type(source_type)
        settings = check_config(extractor, config or {})
        check_url(base_url)
        if not may_be_incomplete:
            check_complete(extractor, {*settings, *(() if base_url is None else (BASE_URL,))})
        check_column_rules(extractor, settings, {}, {})
        warn_about_unchecked_streams(extractor, settings, frozenset(), name)
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
            changes = audit.changes(source)
            creation.insert(session, source, "source", name)
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
        unset: Collection[str] = (),
        may_be_incomplete: bool = False,
    ) -> views.Source:
        """Change a source; what is left out keeps its value.

        After a change of its address, or of how certificates are checked, all accounts of the
        source must be connected again.

        Args:
            name: The source.
            base_url: The URL of the server.
            config: Settings of the tap to set; the others stay.
            client_id: The client id of an OAuth application.
            client_secret: Its client secret.
            unset: Names to reset to their defaults: settings of the tap, ``streams``,
                ``base_url``, ``client_id``, ``client_secret``.
            may_be_incomplete: As in ``add``; else only what all its links have may be missing.

        Raises:
            SettingsError: A setting or a name to unset is unknown, or a required one would be
                missing.
        """
        with self._installation.store.begin() as session:
            source = lookups.source(session, name, lock=True)
            extractor = self._installation.plugins.source_type(source.source_type)
            # Compared by meaning: another path of the same host, or the default port spelled out,
            # is the same address.
            address_before = secret_context.source_address(source, extractor)
            columns = {"base_url": base_url, "client_id": client_id, "client_secret": client_secret}
            given = [name for name, value in columns.items() if value is not None]
            known = setting_names(extractor).union(source.config, COLUMNS)
            owner = f"The source {source.name}"
            reset = check_unset(unset, known, [*given, *(config or {})], owner, ALIASES)
            was_complete = not find_missing(extractor, _names(source))
            _change_config(session, source, extractor, config or {}, reset)
            for each in reset.intersection(COLUMNS):
                setattr(source, COLUMNS[each], None)
            if base_url is not None:
                check_url(base_url)
                source.base_url = base_url
            if client_id is not None:
                source.oauth_client_id = client_id
            # A source from before this check stays usable.
            is_left = may_be_incomplete or _are_links_complete(session, source, extractor)
            if was_complete and not is_left:
                check_complete(extractor, _names(source))
            self._store_client_secret(source, extractor, client_secret)
            self._record_update(session, source, extractor, address_before)
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
            remains = link_remains.of(session, ProjectSource.source_id == source.id)
            if remains.in_use:
                raise _linked(name, remains)
            remains.delete_empty(session)
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
        """Return the links of all projects, or of one; the same as ``scout.links.list``."""
        return Links(self._installation).list(project)

    def link(
        self,
        project: str,
        source: str,
        *,
        mode: str | None = None,
        interval_hours: int | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> views.Link:
        """Let a project use a source, or change how it does; the same as ``scout.links.ensure``.

        What is left out keeps its value, or has its default if the link is new.
        """
        links = Links(self._installation)
        return links.ensure(
            project, source, mode=mode, interval_hours=interval_hours, config=config
        )

    def unlink(self, project: str, source: str, *, drop: bool = False) -> None:
        """Detach a source from a project; the same as ``scout.links.remove``."""
        Links(self._installation).remove(project, source, drop=drop)

    def _record_update(
        self,
        session: Session,
        source: Source,
        source_type: SourceType,
        address_before: Mapping[str, str],
    ) -> None:
        changed, names = audit.changes(source), {"source": source.name}
        audit.record(session, "updated", "source", source.id, **names, changes=changed)
        if secret_context.source_address(source, source_type) != address_before:
            count = renewal.invalidate_all(session, source)
            audit.record(session, "moved", "source", source.id, **names, logins=count)

    def _store_client_secret(
        self, source: Source, source_type: SourceType, client_secret: str | None
    ) -> None:
        if client_secret is not None:
            context = secret_context.of_client_secret(source, source_type)
            source.oauth_client_secret = self._installation.keyring.encrypt(
                {"client_secret": client_secret}, context
            )


def _linked(name: str, remains: link_remains.Remains) -> ConflictError:
    linked, unlinked = (
        ", ".join(each.project_id for each in links) for links in (remains.linked, remains.unlinked)
    )
    said = [f"It is linked to: {linked}."] if linked else []
    said += [f"Unlinked, with data that is still there: {unlinked}."] if unlinked else []
    return ConflictError(
        f"The source {name} cannot be removed yet. {' '.join(said)}",
        f"Remove these links with their data first: {remains.commands()}",
    )


def _change_config(
    session: Session,
    source: Source,
    source_type: SourceType,
    config: Mapping[str, Any],
    reset: frozenset[str],
) -> None:
    catalog = metadata.catalog_of_source(session, source.id)
    known = singer_catalog.ids(catalog)
    checked = check_config(source_type, config, known)
    check_column_rules(source_type, checked, catalog, source.config)
    warn_about_unchecked_streams(source_type, checked, known, source.name)
    source.config = merged(source.config, checked, reset)


def _are_links_complete(session: Session, source: Source, source_type: SourceType) -> bool:
    """Return whether a source has links, and none that lacks a required setting."""
    is_of_source = (ProjectSource.source_id == source.id) & ProjectSource.is_active
    with session.no_autoflush:  # the audit trail records what is not flushed yet
        links = session.scalars(select(ProjectSource).where(is_of_source)).all()
    names = [_names(source).union(link.sync_config) for link in links]
    return bool(names) and not any(find_missing(source_type, each) for each in names)


def _names(source: Source) -> frozenset[str]:
    return frozenset({*source.config, *(() if source.base_url is None else (BASE_URL,))})
