"""Connecting accounts: by OAuth in a browser, or by a key, password or token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from scout_control.api import views
from scout_control.credentials import check, records, renewal
from scout_control.credentials.records import Owner
from scout_control.errors import SettingsError
from scout_control.rules.credential_kinds import ANY_SETTINGS, FIELDS_BY_KIND, OAUTH
from scout_control.store import audit, lookups
from scout_control.store.models import Credential, Dataset, ProjectSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from scout_control.credentials.oauth import Request
    from scout_control.installation.installation import Site
    from scout_control.meltano.project import SourceType
    from scout_control.store.models import Source


@dataclass(frozen=True)
class Credentials:
    """The logins of owners; nothing here gives a secret back."""

    _site: Site

    def list(
        self, *, project: str | None = None, user: str | None = None
    ) -> list[views.Credential]:
        """Return all logins, or those of one owner, without their secrets.

        Raises:
            NotFoundError: There is no such project.
        """
        statement = select(Credential)
        if project is not None:
            statement = statement.where(Credential.project_id == project)
        if user is not None:
            statement = statement.where(Credential.user_id == user)
        now = datetime.now(UTC)
        with self._site.store.begin() as session:
            if project is not None:
                lookups.project(session, project)
            found = session.scalars(statement.order_by(Credential.created_at))
            return [views.Credential.of(each, now) for each in found]

    def source_type(self, source: str) -> SourceType:
        """Return the type of a source, which says how to log in there."""
        with self._site.store.begin() as session:
            return self._site.plugins.source_type(lookups.source(session, source).source_type)

    def save(
        self,
        source: str,
        kind: str,
        fields: Mapping[str, str],
        *,
        project: str | None = None,
        user: str | None = None,
    ) -> views.Credential:
        """Store a login that is no OAuth flow: key, password, token, or a tap's own settings.

        Raises:
            SettingsError: The kind is none of the source's, or a field is missing.
        """
        owner = Owner(project_id=project, user_id=user)
        source_type = self.source_type(source)
        _check(source_type, kind, fields)
        with self._site.store.begin() as session:
            found = lookups.source(session, source)
            _check_owner(session, owner)
            saved = records.save(
                session,
                self._site.keyring,
                found,
                source_type,
                owner,
                kind,
                fields=dict(fields),
                external_user_id=fields.get("username"),
            )
            _let_run(session, found, owner)
            return views.Credential.of(saved, datetime.now(UTC))

    def ask(self, source: str, redirect_uri: str, scopes: str | None = None) -> Request:
        """Begin a login by OAuth: return where to send the person.

        Raises:
            SettingsError: The source cannot be connected by OAuth.
        """
        with self._site.store.begin() as session:
            found = lookups.source(session, source)
            client = renewal.client_of(found, self._site.keyring, self._site.plugins)
        return client.request(redirect_uri, scopes)

    def answer(
        self,
        source: str,
        request: Request,
        answer: str,
        *,
        project: str | None = None,
        user: str | None = None,
    ) -> views.Credential:
        """Finish a login by OAuth with the address that the person came back to.

        Raises:
            SettingsError: The address does not answer this request.
            CredentialRefusedError: The source refused.
        """
        owner = Owner(project_id=project, user_id=user)
        with self._site.store.begin() as session:
            _check_owner(session, owner)
            found = lookups.source(session, source)
            source_type = self._site.plugins.source_type(found.source_type)
            client = renewal.client_of(found, self._site.keyring, self._site.plugins)
        with audit.recording_refusals(
            self._site.store, "source", found.id, source=found.name, **_named(owner)
        ):
            tokens = client.exchange(request, answer)
        fields = {"access_token": tokens.access_token}
        if tokens.refresh_token:
            fields["refresh_token"] = tokens.refresh_token
        with self._site.store.begin() as session:
            saved = records.save(
                session,
                self._site.keyring,
                found,  # as it was asked: what it gave is good there, wherever it is now
                source_type,
                owner,
                OAUTH,
                fields=fields,
                token_expires_at=tokens.expires_at,
                scopes=tokens.scopes,
            )
            _let_run(session, found, owner)
            return views.Credential.of(saved, datetime.now(UTC))

    def check(
        self, source: str, *, project: str | None = None, user: str | None = None
    ) -> views.Credential:
        """Try a login at its source.

        Raises:
            CredentialMissingError: There is none.
            CredentialRefusedError: The source refuses it.
            ControlError: The source cannot be asked.
        """
        owner = Owner(project_id=project, user_id=user)
        with audit.recording_refusals(
            self._site.store, "source", source, source=source, **_named(owner)
        ):
            check.check(self._site, source, owner)
        with self._site.store.begin() as session:
            found = lookups.source(session, source)
            credential = lookups.credential(session, found.id, project, user)
            if credential is None:
                raise check.missing(source, owner)
            return views.Credential.of(credential, datetime.now(UTC))

    def revoke(self, source: str, *, project: str | None = None, user: str | None = None) -> bool:
        """Forget a login, here and at the source; tell whether the source confirmed.

        Raises:
            CredentialMissingError: There is none.
        """
        owner = Owner(project_id=project, user_id=user)
        with self._site.store.begin() as session:
            found = lookups.source(session, source)
        return renewal.revoke(
            self._site.store, self._site.keyring, self._site.plugins, found, owner
        )


def _named(owner: Owner) -> dict[str, str | None]:
    return {"project": owner.project_id, "user": owner.user_id}


def _check(source_type: SourceType, kind: str, fields: Mapping[str, str]) -> None:
    if kind not in source_type.credential_kinds:
        raise SettingsError(
            f"{source_type.name} knows no login of kind {kind!r}.",
            f"Use one of: {', '.join(source_type.credential_kinds) or 'none'}.",
        )
    wanted = {name for part in FIELDS_BY_KIND.get(kind, ()) for name in part}
    if kind == OAUTH:
        wanted = {"refresh_token"}
    if missing := sorted(name for name in wanted if not fields.get(name)):
        raise SettingsError(f"The login lacks {', '.join(missing)}.", "Give it.")
    known = {"access_token", "refresh_token"} if kind in {OAUTH, "token"} else wanted
    if kind != ANY_SETTINGS and (other := sorted(set(fields) - known)):
        raise SettingsError(f"A login of kind {kind!r} has no {', '.join(other)}.", "Leave it out.")
    if kind == ANY_SETTINGS and (where := _addresses(source_type, fields)):
        raise SettingsError(
            f"{', '.join(where)} says where {source_type.name} reads, and is no part of a login.",
            "Set it at the source: scout sources update; or mark it as sensitive in meltano.yml.",
        )
    if kind == ANY_SETTINGS and (unknown := sorted(set(fields) - set(source_type.settings))):
        raise SettingsError(
            f"{source_type.name} has no setting {', '.join(unknown)}.",
            f"It has: {', '.join(source_type.settings)}.",
        )


def _addresses(source_type: SourceType, fields: Mapping[str, str]) -> list[str]:
    return sorted(set(source_type.addresses.among(fields)) - set(source_type.sensitive))


def _check_owner(session: Session, owner: Owner) -> None:
    if owner.project_id is not None:
        lookups.project(session, owner.project_id)


def _let_run(session: Session, source: Source, owner: Owner) -> None:
    """Let datasets that waited for this login be due now."""
    links = select(ProjectSource.id).where(ProjectSource.source_id == source.id)
    if owner.project_id is not None:
        links = links.where(ProjectSource.project_id == owner.project_id)
        mine = Dataset.user_id.is_(None)
    else:
        mine = (Dataset.user_id == owner.user_id) & Dataset.agreed_at.is_not(None)  # type: ignore[assignment]  # both are conditions
    session.execute(
        update(Dataset)
        .where(
            Dataset.project_source_id.in_(links),
            mine,
            Dataset.next_sync_at.is_(None),
            Dataset.status != "expired",
        )
        .values(next_sync_at=datetime.now(UTC), sync_error=None)
    )
