"""Stores the credentials of owners and finds them. Only a run is given the secrets.

A credential can only be found by source and owner. One process at a time may change a rotating
token: it holds the credential's lock, as does a run whose tap renews the token itself. A new token
replaces only the token that it descends from.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from dataclasses import replace as copy_with
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, update

from scout_control.credentials.oauth import Tokens
from scout_control.credentials.rotated_token import ORIGIN, RotatedToken, digest
from scout_control.errors import (
    FIRST_CONNECT,
    RECONNECT,
    CredentialMissingError,
    CredentialRefusedError,
    SettingsError,
)
from scout_control.installation import secret_context
from scout_control.rules.credential_kinds import OAUTH
from scout_control.store import audit, lookups
from scout_control.store.models import Credential, Dataset, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from scout_control.installation.encryption import Keyring
    from scout_control.meltano.project import SourceType
    from scout_control.store.database import Store

CREDENTIAL_FILE = "credential_file"  # a tap with this setting renews its OAuth token itself


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The owner of a credential: a project or a user."""

    project_id: str | None = None
    user_id: str | None = None

    def __post_init__(self) -> None:
        is_one = (self.project_id is None) != (self.user_id is None)
        if not is_one or not (self.project_id or self.user_id):
            raise SettingsError(
                "A credential belongs to one project or to one user.",
                "Give either --project or --user.",
            )

    def __str__(self) -> str:
        kind, name = ("user", self.user_id) if self.user_id else ("project", self.project_id)
        return f"--{kind} {quote(name or '')}"

    @property
    def named(self) -> str:
        """Return who it is in a sentence, where options of a command would say nothing."""
        return str(self.user_id) if self.user_id else f"the project {self.project_id}"

    @classmethod
    def of(cls, dataset: Dataset) -> Owner:
        """Return the owner of the credential that a dataset is read with."""
        if dataset.user_id is not None:
            return cls(user_id=dataset.user_id)
        return cls(project_id=dataset.project_source.project_id)


@dataclass(kw_only=True)
class RunCredential:
    """A decrypted credential, as a run uses it."""

    credential_id: uuid.UUID | None
    kind: str
    fields: Mapping[str, str] = field(repr=False)
    known: str | None = field(default=None, repr=False)
    """The refresh token in the store, as far as this run knows."""
    origin: str | None = None
    """Digest of the refresh token that the run was given, for taps that do not write it."""

    def __post_init__(self) -> None:
        if self.origin is None and self.known:
            self.origin = digest(self.known)

    @property
    def rotates(self) -> bool:
        """Return whether the tap may change the credential during the run."""
        return self.kind == OAUTH and "refresh_token" in self.fields


def save(
    session: Session,
    keyring: Keyring,
    source: Source,
    source_type: SourceType,
    owner: Owner,
    kind: str,
    **columns: Any,
) -> Credential:
    """Store the credential of an owner at a source, replacing an older one.

    Args:
        session: An open transaction.
        keyring: Encrypts ``fields``.
        source: The source; the secrets are bound to its address.
        source_type: The type of the source.
        owner: The owner.
        kind: One of ``FIELDS_BY_KIND``.
        **columns: ``fields``, the secrets by name; and other columns of the row.
    """
    fields = columns.pop("fields")
    credential = lookups.credential(session, source.id, owner.project_id, owner.user_id)
    if credential is None:
        credential = Credential(
            id=uuid.uuid4(),
            source_id=source.id,
            project_id=owner.project_id,
            user_id=owner.user_id,
        )
        session.add(credential)
    # Columns that are not given are reset: they describe the former credential.
    values = {"token_expires_at": None, "scopes": None, "external_user_id": None, **columns}
    for name, value in values.items():
        setattr(credential, name, value)
    credential.kind = kind
    context = secret_context.of_credential(credential, source, source_type)
    credential.secrets = keyring.encrypt(fields, context)
    credential.is_valid, credential.last_error = True, None
    changes = audit.changes(credential)
    session.flush()
    names = audit.of_owner(source, owner.project_id, owner.user_id)
    audit.record(
        session, "connected", "credential", credential.id, **names, login=kind, changes=changes
    )
    return credential


def credential_for(
    session: Session, keyring: Keyring, dataset: Dataset, source_type: SourceType
) -> RunCredential:
    """Return the decrypted credential that a dataset is read with.

    Raises:
        CredentialMissingError: There is no credential, or its user has not consented.
        CredentialRefusedError: The source has rejected it; a person must reconnect.
    """
    source, owner = dataset.project_source.source, Owner.of(dataset)
    check_consent(dataset)
    credential = lookups.credential(session, source.id, owner.project_id, owner.user_id)
    arguments = f"{quote(source.name)} {owner}"
    if credential is None:
        if not source_type.needs_credential:
            return RunCredential(credential_id=None, kind="none", fields={})
        raise CredentialMissingError(
            f"No account is connected for {lookups.path(dataset)}.", f"{FIRST_CONNECT} {arguments}"
        )
    if not credential.is_valid:
        raise CredentialRefusedError(
            f"The credential for {lookups.path(dataset)} is no longer valid.",
            f"{RECONNECT} {arguments}",
        )
    credential.last_used_at = datetime.now(UTC)
    fields = _fields_for_tap(credential, source, source_type, keyring)
    return RunCredential(
        credential_id=credential.id,
        kind=credential.kind,
        fields=fields,
        known=fields.get("refresh_token"),
    )


def check_consent(dataset: Dataset) -> None:
    """Refuse to use the credential of a user who has not consented to this project and source.

    Raises:
        CredentialMissingError: The user has not consented, or the source was unlinked since.
    """
    if dataset.user_id is None or dataset.agreed_at is not None:
        return
    link = dataset.project_source
    project, source, user = map(quote, (link.project_id, link.source.name, dataset.user_id))
    raise CredentialMissingError(
        f"The user has not agreed that {lookups.path(dataset)} is read with their account.",
        f"To agree, they run: scout datasets ensure {source} --project {project} --user {user}",
    )


def _fields_for_tap(
    credential: Credential, source: Source, source_type: SourceType, keyring: Keyring
) -> dict[str, str]:
    """Return the fields that a tap is given.

    A tap that renews its token gets the refresh token and no access token, so that it starts by
    renewing and its first token lasts. Any other tap gets only the access token: with the refresh
    token it could rotate the grant without handing the new token back.
    """
    context = secret_context.of_credential(credential, source, source_type)
    decrypted = keyring.decrypt(credential.secrets, context)
    fields = {str(name): str(value) for name, value in decrypted.items()}
    if credential.kind != OAUTH or "refresh_token" not in fields:
        return fields
    if CREDENTIAL_FILE not in source_type.settings:
        return {"access_token": fields.get("access_token", "")}
    fields.pop("access_token", None)
    fields.pop(ORIGIN, None)
    fields["client_id"] = source.oauth_client_id or ""
    if source.oauth_client_secret:
        context = secret_context.of_client_secret(source, source_type)
        fields |= keyring.decrypt(source.oauth_client_secret, context)
    return fields


def store_rotated_token(
    store: Store, keyring: Keyring, credential: RunCredential, content: bytes
) -> bool:
    """Store the token that a tap wrote to its ``credential_file``; return whether it was new."""
    rotated = RotatedToken.parse(content)
    if rotated is None or rotated.refresh_token == credential.known:
        return False
    tokens = Tokens(
        access_token=rotated.access_token,
        refresh_token=rotated.refresh_token,
        expires_at=rotated.expires_at,
        scopes=None,
    )
    with store.begin() as session:
        is_stored = replace_tokens(
            session,
            keyring,
            credential.credential_id,
            credential.known,
            tokens,
            rotated.origin or credential.origin,
        )
    if is_stored:
        credential.known = tokens.refresh_token
    return is_stored


def replace_tokens(
    session: Session,
    keyring: Keyring,
    credential_id: uuid.UUID | None,
    known: str | None,
    tokens: Tokens,
    origin: str | None = None,
) -> bool:
    """Replace the tokens of a credential if its refresh token is ``known``; return whether it was.

    A credential that was reconnected or renewed in the meantime stays as it is: the late writer
    holds a token of the former grant. The new tokens keep the binding of the old ones, even if the
    source was moved: they are valid where they were issued.
    """
    # The row is locked from the comparison to the update: two late writers cannot both succeed.
    credential = session.get(Credential, credential_id, with_for_update={"of": Credential})
    if credential is None:
        return False
    sealed = keyring.open(credential.secrets)
    if sealed.fields.get("refresh_token") != known:
        return False
    fields = {**sealed.fields, "access_token": tokens.access_token, ORIGIN: origin}
    if tokens.refresh_token:  # a server that does not rotate omits it: the old one stays valid
        fields["refresh_token"] = tokens.refresh_token
    credential.secrets = keyring.seal(copy_with(sealed, fields=fields))
    credential.token_expires_at = tokens.expires_at
    credential.scopes = tokens.scopes or credential.scopes
    # A credential of a source that was moved stays invalid, however fresh its token is.
    if credential.last_error != secret_context.ADDRESS_CHANGED:
        credential.is_valid, credential.last_error = True, None
    names = _audit_names(credential)
    audit.record(session, "renewed", "credential", credential.id, **names, secrets=audit.CHANGED)
    return True


def invalidate(session: Session, credential_id: uuid.UUID, reason: str) -> None:
    """Mark a credential as rejected by its source: a person must reconnect."""
    session.execute(
        update(Credential)
        .where(Credential.id == credential_id)
        .values(is_valid=False, last_error=reason, updated_at=func.now())
    )
    credential = session.get(Credential, credential_id)
    names = _audit_names(credential) if credential else {}
    audit.record(session, "needs reconnect", "credential", credential_id, **names, reason=reason)


def accept(session: Session, credential_id: uuid.UUID, tested: bytes | None) -> bool:
    """Mark a credential as valid that its source has accepted; return whether it is.

    Args:
        session: An open transaction.
        credential_id: The credential.
        tested: The encrypted secrets that were tested: others may be stored since. None: they were
            renewed, which the source does for valid ones only.
    """
    credential = session.get(Credential, credential_id, with_for_update={"of": Credential})
    if credential is None:
        return False
    if not credential.is_valid and tested in {None, credential.secrets}:
        credential.is_valid, credential.last_error = True, None
        names = _audit_names(credential)
        audit.record(session, "accepted again", "credential", credential.id, **names)
    return credential.is_valid


def _audit_names(credential: Credential) -> dict[str, str | None]:
    return audit.of_owner(credential.source, credential.project_id, credential.user_id)
