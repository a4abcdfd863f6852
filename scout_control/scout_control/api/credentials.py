"""Connects accounts of sources: by OAuth, API key, password or token."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.api import views
from scout_control.api.source_config import check_config, check_url
from scout_control.credentials import check, records, renewal, schedules
from scout_control.credentials.records import Owner
from scout_control.errors import SettingsError
from scout_control.rules.credential_kinds import ANY_SETTINGS, FIELDS_BY_KIND, NO_CREDENTIAL, OAUTH
from scout_control.store import audit, lookups
from scout_control.store.models import Credential, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.orm import Session

    from scout_control.credentials.oauth import AuthorizationRequest
    from scout_control.installation.installation import Installation
    from scout_control.meltano.project import SourceType
    from scout_control.meltano.reports import Wait


@dataclass(frozen=True)
class Credentials:
    """Credentials of projects and users. No method returns a secret."""

    _installation: Installation

    def list(
        self, *, project: str | None = None, user: str | None = None
    ) -> list[views.Credential]:
        """Return all credentials, or those of one owner, without their secrets.

        Raises:
            NotFoundError: The project does not exist.
        """
        statement = select(Credential)
        if project is not None:
            statement = statement.where(Credential.project_id == project)
        if user is not None:
            statement = statement.where(Credential.user_id == user)
        now = datetime.now(UTC)
        with self._installation.store.begin() as session:
            if project is not None:
                lookups.project(session, project)
            rows = session.scalars(statement.order_by(Credential.created_at))
            return [views.Credential.of(row, now) for row in rows]

    def show(
        self, source: str, *, project: str | None = None, user: str | None = None
    ) -> views.Credential:
        """Return one credential, without its secrets; nothing is requested from the source.

        Raises:
            CredentialMissingError: There is no credential.
        """
        owner = Owner(project_id=project, user_id=user)
        with self._installation.store.begin() as session:
            row = lookups.source(session, source)
            credential = lookups.credential(session, row.id, owner.project_id, owner.user_id)
            if credential is None:
                raise check.missing_error(source, owner)
            return views.Credential.of(credential, datetime.now(UTC))

    def source_type(self, source: str) -> SourceType:
        """Return the type of a source, which names the kinds of credential that it accepts."""
        with self._installation.store.begin() as session:
            row = lookups.source(session, source)
            return self._installation.plugins.source_type(row.source_type)

    def save(
        self,
        source: str,
        kind: str,
        fields: Mapping[str, str],
        *,
        project: str | None = None,
        user: str | None = None,
        test: bool = False,
        on_wait: Callable[[Wait], None] | None = None,
    ) -> views.Credential:
        """Store an API key, a password, a token, or the secret settings of a tap.

        Args:
            source: The source.
            kind: The kind of credential.
            fields: Its fields, secret and other ones.
            project: The project that owns it.
            user: The user who owns it.
            test: Read from the source with it first, and store it only if that succeeds. A refresh
                token is exchanged for a new one.
            on_wait: Called with each wait that the tap reports during the test.

        Raises:
            SettingsError: The source does not accept this kind, or a field is missing.
            CredentialRefusedError: The source rejects it; nothing was stored.
            ControlError: The test could not be completed; nothing was stored.
        """
        owner = Owner(project_id=project, user_id=user)
        with self._installation.store.begin() as session:
            row = lookups.source(session, source)
            _check_owner(session, owner)
        source_type = self._installation.plugins.source_type(row.source_type)
        check_fields(source_type, kind, fields)
        columns: dict[str, Any] = {"fields": dict(fields)}
        if test:
            columns = check.tested(self._installation, row, owner, kind, fields, on_wait)
        with self._installation.store.begin() as session:
            saved = records.save(
                session,
                self._installation.keyring,
                # The row as it was tested: the secrets are bound to the address that accepted them.
                row,
                source_type,
                owner,
                kind,
                external_user_id=fields.get("username"),
                **columns,
            )
            schedules.begin(session, row, owner)
            return views.Credential.of(saved, datetime.now(UTC))

    def test(
        self,
        source_type: str,
        fields: Mapping[str, str],
        *,
        name: str,
        project: str,
        base_url: str | None = None,
        config: Mapping[str, Any] | None = None,
        on_wait: Callable[[Wait], None] | None = None,
    ) -> None:
        """Read from a source that is not stored yet; neither it nor the secrets are stored.

        Args:
            source_type: An extractor of meltano.yml.
            fields: The fields of a credential, secret and other ones.
            name: What messages call the source.
            project: The owner of the credential, as messages call it.
            base_url: The URL of the server.
            config: Settings of the tap, without secrets.
            on_wait: Called with each wait that the tap reports.

        Raises:
            CredentialRefusedError: The source rejects the secrets.
            ControlError: The test could not be completed.
        """
        extractor = self._installation.plugins.source_type(source_type)
        check_url(base_url)
        settings = check_config(extractor, config or {})
        source = Source(
            id=uuid.uuid4(),
            name=name,
            source_type=extractor.name,
            base_url=base_url,
            config=settings,
        )
        error = check.test(self._installation, source, Owner(project_id=project), fields, on_wait)
        if error is not None:
            raise error

    def authorization_request(
        self, source: str, redirect_uri: str, scopes: str | None = None
    ) -> AuthorizationRequest:
        """Start the OAuth authorization code flow.

        Keep the result until the browser is redirected back; send the person to its ``url``.

        Raises:
            SettingsError: The source cannot be connected by OAuth.
        """
        with self._installation.store.begin() as session:
            row = lookups.source(session, source)
            client = renewal.oauth_client(
                row, self._installation.keyring, self._installation.plugins
            )
        return client.authorization_request(redirect_uri, scopes)

    def default_kind(self, source: str) -> str:
        """Return the kind of credential to connect, unless another is chosen.

        That is the preferred kind of the source; OAuth only if the source knows its OAuth client.
        """
        with self._installation.store.begin() as session:
            row = lookups.source(session, source)
        kinds = self._installation.plugins.source_type(row.source_type).credential_kinds
        usable = [kind for kind in kinds if kind != OAUTH or row.oauth_client_id]
        return next(iter(usable or kinds), NO_CREDENTIAL)

    def complete_authorization(
        self,
        source: str,
        request: AuthorizationRequest,
        redirect_url: str,
        *,
        project: str | None = None,
        user: str | None = None,
    ) -> views.Credential:
        """Complete the OAuth flow with the full URL that the browser was redirected to.

        Raises:
            SettingsError: The URL does not belong to this request.
            CredentialRefusedError: The source rejected the client or the code.
            RunFailedError: Authorization was denied.
        """
        owner = Owner(project_id=project, user_id=user)
        with self._installation.store.begin() as session:
            _check_owner(session, owner)
            row = lookups.source(session, source)
            source_type = self._installation.plugins.source_type(row.source_type)
            client = renewal.oauth_client(
                row, self._installation.keyring, self._installation.plugins
            )
        names = {"source": row.name, "project": owner.project_id, "user": owner.user_id}
        with audit.recording_refusals(self._installation.store, "source", row.id, **names):
            tokens = client.exchange_code(request, redirect_url)
        fields = {"access_token": tokens.access_token}
        if tokens.refresh_token:
            fields["refresh_token"] = tokens.refresh_token
        with self._installation.store.begin() as session:
            saved = records.save(
                session,
                self._installation.keyring,
                # The row as it was before the exchange: its tokens are bound to the address that
                # issued them, even if the source was moved in between.
                row,
                source_type,
                owner,
                OAUTH,
                fields=fields,
                token_expires_at=tokens.expires_at,
                scopes=tokens.scopes,
            )
            schedules.begin(session, row, owner)
            return views.Credential.of(saved, datetime.now(UTC))

    ask = authorization_request
    answer = complete_authorization

    def check(
        self,
        source: str,
        *,
        project: str | None = None,
        user: str | None = None,
        on_wait: Callable[[Wait], None] | None = None,
    ) -> views.Credential:
        """Test a credential at its source; one that it rejected before is valid again if accepted.

        Args:
            source: The source.
            project: The project that owns it.
            user: The user who owns it.
            on_wait: Called with each wait that the tap reports.

        Raises:
            CredentialMissingError: There is no credential.
            CredentialRefusedError: The source rejects it.
            ControlError: The test could not be completed.
        """
        owner = Owner(project_id=project, user_id=user)
        names = {"source": source, "project": project, "user": user}
        with audit.recording_refusals(self._installation.store, "source", source, **names):
            check.check(self._installation, source, owner, on_wait)
        with self._installation.store.begin() as session:
            row = lookups.source(session, source)
            credential = lookups.credential(session, row.id, project, user)
            if credential is None:
                raise check.missing_error(source, owner)
            return views.Credential.of(credential, datetime.now(UTC))

    def revoke(self, source: str, *, project: str | None = None, user: str | None = None) -> bool:
        """Delete a credential; return whether the source confirmed the revocation of its token.

        Raises:
            CredentialMissingError: There is no credential.
        """
        owner = Owner(project_id=project, user_id=user)
        with self._installation.store.begin() as session:
            row = lookups.source(session, source)
        return renewal.revoke(
            self._installation.store,
            self._installation.keyring,
            self._installation.plugins,
            row,
            owner,
        )

    remove = revoke


def check_fields(source_type: SourceType, kind: str, fields: Mapping[str, str]) -> None:
    """Reject a credential that a source type does not accept.

    Raises:
        SettingsError: Its kind is not accepted, or a field is missing or unknown.
    """
    if kind not in source_type.credential_kinds:
        raise SettingsError(
            f"{source_type.name} does not accept credentials of kind {kind!r}.",
            f"Use one of: {', '.join(source_type.credential_kinds) or 'none'}.",
        )
    required = {name for group in FIELDS_BY_KIND.get(kind, ()) for name in group}
    if kind == OAUTH:
        required = {"refresh_token"}
    if missing := sorted(name for name in required if not fields.get(name)):
        raise SettingsError(f"The credential lacks {', '.join(missing)}.", "Add what is missing.")
    allowed = {"access_token", "refresh_token"} if kind in {OAUTH, "token"} else required
    if kind != ANY_SETTINGS and (extra := sorted(set(fields) - allowed)):
        raise SettingsError(
            f"A credential of kind {kind!r} has no {', '.join(extra)}.", "Leave it out."
        )
    if kind == ANY_SETTINGS and (addresses := _addresses(source_type, fields)):
        raise SettingsError(
            f"{', '.join(addresses)} sets where {source_type.name} reads from; "
            "it cannot be part of a credential.",
            "Set it on the source (scout sources update NAME -c SETTING=VALUE), or mark it as "
            "sensitive in meltano.yml.",
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
