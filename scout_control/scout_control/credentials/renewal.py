"""Renews OAuth tokens before they expire, and revokes credentials."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from dataclasses import replace as copy_with
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, or_, select, update

from scout_control.credentials import schedules
from scout_control.credentials.oauth import OAuthClient
from scout_control.credentials.records import Owner, invalidate, replace_tokens
from scout_control.errors import (
    ControlError,
    CredentialMissingError,
    CredentialRefusedError,
    SettingsError,
)
from scout_control.installation import secret_context
from scout_control.rules.addresses import BASE_URL
from scout_control.rules.credential_kinds import OAUTH
from scout_control.rules.expiry import RENEW_TOKENS_BEFORE
from scout_control.store import audit, datasets, locks, lookups
from scout_control.store.models import Credential, Dataset, ProjectSource, Source

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from scout_control.installation.encryption import Keyring
    from scout_control.meltano.project import Plugins
    from scout_control.store.database import Store

REVOCATION_TIMEOUT_SECONDS = 30.0


class Renewal(StrEnum):
    """The outcome of renewing one credential."""

    RENEWED = "renewed"
    BUSY = "busy"
    """A run is using the credential, and its tap renews the token."""
    REJECTED = "refused"
    """The source rejected it permanently: a person must reconnect."""
    FAILED = "failed"
    """A temporary failure; the next round tries again."""


def expiring(session: Session, now: datetime) -> Sequence[uuid.UUID]:
    """Return the credentials whose token should be renewed now, taking owners in turn.

    Of each owner the least recently tried come first, so that one that keeps failing does not
    delay the others.
    """
    owner = (Credential.user_id, Credential.project_id)
    turn = func.row_number().over(partition_by=owner, order_by=Credential.updated_at)
    return session.scalars(
        select(Credential.id)
        .where(
            Credential.is_valid,
            Credential.kind == OAUTH,
            Credential.token_expires_at <= now + RENEW_TOKENS_BEFORE,
        )
        .order_by(turn, Credential.updated_at)
    ).all()


def renew(
    store: Store,
    keyring: Keyring,
    plugins: Plugins,
    credential_id: uuid.UUID,
    *,
    may_be_rejected: bool = False,
) -> Renewal:
    """Renew the token of one credential. Only a permanent rejection invalidates it.

    Args:
        store: The store.
        keyring: Decrypts and encrypts the tokens.
        plugins: The plugins of the installation.
        credential_id: The credential.
        may_be_rejected: Also ask for one that the source has rejected before.
    """
    # The lock is held from before the request until the new token is stored: a refresh token that
    # rotates is valid once, so a second request with it would revoke the grant at some servers.
    with locks.try_locks(store, locks.credential_lock(credential_id)) as is_locked:
        if not is_locked:
            return Renewal.BUSY
        with store.begin() as session:
            credential = session.get(Credential, credential_id)
            if credential is None or not (credential.is_valid or may_be_rejected):
                return Renewal.REJECTED
        try:
            source_type = plugins.source_type(credential.source.source_type)
            context = secret_context.of_credential(credential, credential.source, source_type)
            refresh_token = keyring.decrypt(credential.secrets, context).get("refresh_token")
            if not refresh_token:
                return Renewal.FAILED
            tokens = oauth_client(credential.source, keyring, plugins).refresh(refresh_token)
        except CredentialRefusedError as error:
            with store.begin() as session:
                invalidate(session, credential_id, error.cause)
            return Renewal.REJECTED
        except ControlError as error:
            with store.begin() as session:
                _record_failure(session, credential_id, error.cause)
            return Renewal.FAILED
        # Not in the transaction above: the request may take a minute, and must not hold rows.
        with store.begin() as session:
            replace_tokens(session, keyring, credential_id, refresh_token, tokens)
        return Renewal.RENEWED


def _record_failure(session: Session, credential_id: uuid.UUID, cause: str) -> None:
    credential = session.get_one(Credential, credential_id)
    credential.last_error, credential.updated_at = cause, datetime.now(UTC)
    names = audit.of_owner(credential.source, credential.project_id, credential.user_id)
    audit.record(session, "not renewed", "credential", credential.id, **names, reason=cause)


def oauth_client(source: Source, keyring: Keyring, plugins: Plugins) -> OAuthClient:
    """Return the OAuth client of a source.

    Raises:
        SettingsError: Its type does not support OAuth, or the source has no client id.
    """
    source_type = plugins.source_type(source.source_type)
    base_url = secret_context.tap_settings(source, source_type).get(BASE_URL)
    if source_type.oauth is None or not base_url:
        raise SettingsError(
            f"Sources of type {source_type.name} cannot be connected by OAuth.",
            f"Use one of: {', '.join(source_type.credential_kinds) or 'none'}.",
        )
    if not source.oauth_client_id:
        raise SettingsError(
            f"The source {source.name} has no OAuth client id.",
            f"Register an application at {base_url}, then: scout sources update {source.name} "
            "--client-id ID",
        )
    client_secret = None
    if source.oauth_client_secret:
        context = secret_context.of_client_secret(source, source_type)
        client_secret = keyring.decrypt(source.oauth_client_secret, context)["client_secret"]
    return OAuthClient(
        source=source.name,
        base_url=base_url,
        paths=source_type.oauth,
        client_id=source.oauth_client_id,
        client_secret=client_secret,
    )


def revoke(store: Store, keyring: Keyring, plugins: Plugins, source: Source, owner: Owner) -> bool:
    """Delete a credential, and revoke its token; return whether the source confirmed that.

    Datasets that were read with it are no longer scheduled.

    Raises:
        CredentialMissingError: There is no credential.
    """
    with store.begin() as session:
        credential = lookups.credential(session, source.id, owner.project_id, owner.user_id)
        if credential is None:
            raise CredentialMissingError(
                f"No account of {owner.named} is connected for {source.name}.",
                "There is nothing to revoke.",
            )
        grants = delete_credentials(session, keyring, plugins, [credential])
        schedules.end(session, source, owner)
    return bool(grants) and not revoke_grants(grants)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """An OAuth grant to revoke at its source."""

    name: str
    """Source and owner, for people."""
    client: OAuthClient | None
    """None if the source cannot be reached: its address changed, or it does not support OAuth."""
    token: str = field(repr=False)


def delete_credentials(
    session: Session, keyring: Keyring, plugins: Plugins, credentials: Sequence[Credential]
) -> list[Grant]:
    """Delete credentials; return their grants, for ``revoke_grants`` after the commit."""
    grants = [_grant(keyring, plugins, each) for each in credentials if each.kind == OAUTH]
    for each in credentials:
        session.execute(delete(Credential).where(Credential.id == each.id))
        names = audit.of_owner(each.source, each.project_id, each.user_id)
        audit.record(session, "revoked", "credential", each.id, **names)
    return grants


def revoke_grants(
    grants: Sequence[Grant], longest_seconds: float = REVOCATION_TIMEOUT_SECONDS
) -> list[str]:
    """Revoke grants at their sources; return the names of those that were not confirmed.

    Args:
        grants: The grants.
        longest_seconds: Limit on the time for all of them together.
    """
    deadline = time.monotonic() + longest_seconds
    return [each.name for each in grants if not _revoke_grant(each, deadline - time.monotonic())]


def _revoke_grant(grant: Grant, seconds: float) -> bool:
    if grant.client is None or seconds <= 0:
        return False
    try:
        return copy_with(grant.client, timeout_seconds=seconds).revoke(grant.token)
    except ControlError:
        return False


def _grant(keyring: Keyring, plugins: Plugins, credential: Credential) -> Grant:
    """Return the grant of a credential.

    Decrypting checks that the source is still at the address that issued the token: a token is
    never sent anywhere else, not even to revoke it.
    """
    source = credential.source
    owner = Owner(project_id=credential.project_id, user_id=credential.user_id)
    name = f"{source.name} {owner}"
    try:
        source_type = plugins.source_type(source.source_type)
        context = secret_context.of_credential(credential, source, source_type)
        fields = keyring.decrypt(credential.secrets, context)
        client = oauth_client(source, keyring, plugins)
    except ControlError:
        return Grant(name=name, client=None, token="")
    token = fields.get("refresh_token") or fields.get("access_token") or ""
    return Grant(name=name, client=client if token else None, token=str(token))


def invalidate_all(session: Session, source: Source) -> int:
    """Invalidate all credentials of a source whose address changed; return their number.

    The datasets that are read with them are unscheduled: their runs could only fail. Connecting an
    account schedules its datasets again.
    """
    invalidated = session.execute(
        update(Credential)
        .where(Credential.source_id == source.id)
        .values(is_valid=False, last_error=secret_context.ADDRESS_CHANGED)
        .returning(Credential.id)
    ).all()
    theirs = (
        select(Credential.id)
        .join(ProjectSource, ProjectSource.source_id == Credential.source_id)
        .where(
            Credential.source_id == source.id,
            ProjectSource.id == Dataset.project_source_id,
            or_(
                Credential.user_id == Dataset.user_id,
                Dataset.user_id.is_(None) & (Credential.project_id == ProjectSource.project_id),
            ),
        )
        .correlate(Dataset)
    )
    datasets.unschedule(session, theirs.exists(), secret_context.ADDRESS_CHANGED)
    return len(invalidated)
