"""Renews logins before they end, and revokes them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from scout_control.credentials.oauth import Client
from scout_control.credentials.records import Owner, refuse, replace
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
from scout_control.store import audit, locks, lookups
from scout_control.store.models import Credential, Dataset, ProjectSource, Source

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from scout_control.installation.encryption import Keyring
    from scout_control.meltano.project import Plugins
    from scout_control.store.database import Store

LONGEST_REVOCATION_SECONDS = 30.0


def expiring(session: Session, now: datetime) -> Sequence[uuid.UUID]:
    """Return the logins whose token should be renewed now, the owners in turn.

    Of an owner's those come first that were not tried for the longest: what failed goes last.
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


def renew(store: Store, keyring: Keyring, plugins: Plugins, credential_id: uuid.UUID) -> str:
    """Renew one login; return what came of it: renewed, busy, refused or failed.

    Only a refusal for good makes it invalid. A run that uses it renews it by itself: busy.
    """
    with locks.try_locks(store, locks.credential_lock(credential_id)) as is_ours:
        if not is_ours:
            return "busy"
        with store.begin() as session:
            found = session.get(Credential, credential_id)
            if found is None or not found.is_valid:
                return "refused"
        try:
            kind = plugins.source_type(found.source.source_type)
            context = secret_context.of_credential(found, found.source, kind)
            fields = keyring.decrypt(found.secrets, context)
            if not fields.get("refresh_token"):
                return "failed"
            tokens = client_of(found.source, keyring, plugins).refresh(fields["refresh_token"])
        except CredentialRefusedError as error:
            with store.begin() as session:
                refuse(session, credential_id, error.cause)
            return "refused"
        except ControlError as error:
            with store.begin() as session:
                failed = session.get_one(Credential, credential_id)
                failed.last_error, failed.updated_at = error.cause, datetime.now(UTC)
                names = audit.of_owner(found.source, found.project_id, found.user_id)
                audit.record(
                    session, "not renewed", "credential", found.id, **names, reason=error.cause
                )
            return "failed"
        with store.begin() as session:
            replace(session, keyring, credential_id, fields["refresh_token"], tokens)
        return "renewed"


def client_of(source: Source, keyring: Keyring, plugins: Plugins) -> Client:
    """Return a source as an OAuth client sees it.

    Raises:
        SettingsError: Its type knows no OAuth, or the source has no client id.
    """
    source_type = plugins.source_type(source.source_type)
    base_url = secret_context.settings_of(source, source_type).get(BASE_URL)
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
    secret = None
    if source.oauth_client_secret:
        context = secret_context.of_client_secret(source, source_type)
        secret = keyring.decrypt(source.oauth_client_secret, context)["client_secret"]
    return Client(
        source=source.name,
        base_url=base_url,
        paths=source_type.oauth,
        client_id=source.oauth_client_id,
        client_secret=secret,
    )


def revoke(store: Store, keyring: Keyring, plugins: Plugins, source: Source, owner: Owner) -> bool:
    """Forget a login, and ask the source to forget it too; return whether the source did.

    Datasets that were read with it stop being refreshed.

    Raises:
        CredentialMissingError: There is none.
    """
    with store.begin() as session:
        found = lookups.credential(session, source.id, owner.project_id, owner.user_id)
        if found is None:
            raise CredentialMissingError(
                f"No account is connected for {source.name} {owner}.", "Nothing to revoke."
            )
        grants = forget(session, keyring, plugins, [found])
        _stop_datasets(session, source, owner)
    return bool(grants) and not end(grants)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a source granted by OAuth, and is asked to take back: a token, and whom to tell."""

    name: str
    """Source and owner, for people."""
    client: Client | None
    """Nothing where the source cannot be told, for its address changed or it knows no OAuth."""
    token: str = field(repr=False)


def forget(
    session: Session, keyring: Keyring, plugins: Plugins, credentials: Sequence[Credential]
) -> list[Grant]:
    """Delete logins; return what to ``end`` at the sources once this is committed."""
    grants = [_grant(keyring, plugins, each) for each in credentials if each.kind == OAUTH]
    for each in credentials:
        session.execute(delete(Credential).where(Credential.id == each.id))
        names = audit.of_owner(each.source, each.project_id, each.user_id)
        audit.record(session, "revoked", "credential", each.id, **names)
    return grants


def end(grants: Sequence[Grant], longest_seconds: float = LONGEST_REVOCATION_SECONDS) -> list[str]:
    """Ask the sources to take back what they granted; return the names of those that did not."""
    until = time.monotonic() + longest_seconds
    return [each.name for each in grants if not _end(each, until - time.monotonic())]


def _end(grant: Grant, seconds: float) -> bool:
    if grant.client is None or seconds <= 0:
        return False
    try:
        return replace_fields(grant.client, longest_seconds=seconds).revoke(grant.token)
    except ControlError:
        return False


def _grant(keyring: Keyring, plugins: Plugins, found: Credential) -> Grant:
    """Return what a login is at its source; a token is never sent but where it came from."""
    source = found.source
    owner = Owner(project_id=found.project_id, user_id=found.user_id)
    name = f"{source.name} {owner}"
    try:
        kind = plugins.source_type(source.source_type)
        fields = keyring.decrypt(found.secrets, secret_context.of_credential(found, source, kind))
        client = client_of(source, keyring, plugins)
    except ControlError:
        return Grant(name=name, client=None, token="")
    token = fields.get("refresh_token") or fields.get("access_token") or ""
    return Grant(name=name, client=client if token else None, token=str(token))


def move(session: Session, source: Source) -> int:
    """Invalidate the logins of a source whose address changed; return how many there are."""
    moved = session.execute(
        update(Credential)
        .where(Credential.source_id == source.id)
        .values(is_valid=False, last_error=secret_context.ADDRESS_CHANGED)
        .returning(Credential.id)
    ).all()
    links = select(ProjectSource.id).where(ProjectSource.source_id == source.id)
    if moved:
        session.execute(
            update(Dataset)
            .where(Dataset.project_source_id.in_(links))
            .values(next_sync_at=None, sync_error=secret_context.ADDRESS_CHANGED)
        )
    return len(moved)


def _stop_datasets(session: Session, source: Source, owner: Owner) -> None:
    links = select(ProjectSource.id).where(ProjectSource.source_id == source.id)
    if owner.project_id is not None:
        links = links.where(ProjectSource.project_id == owner.project_id)
        mine: ColumnElement[bool] = Dataset.user_id.is_(None)
    else:
        mine = Dataset.user_id == owner.user_id
    session.execute(
        update(Dataset)
        .where(Dataset.project_source_id.in_(links), mine)
        .values(next_sync_at=None, sync_error="The account was disconnected.")
    )
