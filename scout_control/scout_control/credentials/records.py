"""The logins of owners: stored and found. Write-only: only a run is ever given one.

A login is found by source and owner, and in no other way. Tokens that rotate are changed by one at
a time: whoever renews holds the credential's lock, and so does a run whose tap renews by itself.
A new token takes only the place of the one it descends from.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, update

from scout_control.credentials.oauth import Tokens
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

CREDENTIAL_FILE = "credential_file"  # the setting by which a tap says that it can renew a login
ORIGIN = "origin"  # digest of the token that a run was given, from which the stored one descends


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose login it is: a project's or a user's."""

    project_id: str | None = None
    user_id: str | None = None

    def __post_init__(self) -> None:
        is_one = (self.project_id is None) != (self.user_id is None)
        if not is_one or not (self.project_id or self.user_id):
            raise SettingsError(
                "A login belongs to one project or to one user.",
                "Give either --project or --user.",
            )

    def __str__(self) -> str:
        kind, name = ("user", self.user_id) if self.user_id else ("project", self.project_id)
        return f"--{kind} {quote(name or '')}"

    @classmethod
    def of(cls, dataset: Dataset) -> Owner:
        """Return whose login a dataset is read with."""
        if dataset.user_id is not None:
            return cls(user_id=dataset.user_id)
        return cls(project_id=dataset.project_source.project_id)


@dataclass(kw_only=True)
class Login:
    """What a run needs to log in."""

    credential_id: uuid.UUID | None
    kind: str
    fields: Mapping[str, str] = field(repr=False)
    known: str | None = field(default=None, repr=False)
    """The refresh token that the store holds, as far as this run knows."""

    @property
    def rotates(self) -> bool:
        """Tell whether the run changes the login while it uses it."""
        return self.kind == OAUTH and "refresh_token" in self.fields


def save(
    session: Session,
    keyring: Keyring,
    source: Source,
    source_type: SourceType,
    owner: Owner,
    kind: str,
    **facts: Any,
) -> Credential:
    """Store the login of an owner, in the place of an older one.

    Args:
        session: An open transaction.
        keyring: Encrypts ``fields``.
        source: Where it is good; it opens for this address only.
        source_type: What the source is.
        owner: Whose it is.
        kind: One of ``FIELDS_BY_KIND``.
        **facts: ``fields``, the secrets by name; and columns as they are.
    """
    fields = facts.pop("fields")
    found = lookups.credential(session, source.id, owner.project_id, owner.user_id)
    if found is None:
        found = Credential(
            id=uuid.uuid4(),
            source_id=source.id,
            project_id=owner.project_id,
            user_id=owner.user_id,
        )
        session.add(found)
    values = {"token_expires_at": None, "scopes": None, "external_user_id": None, **facts}
    for name, value in values.items():
        setattr(found, name, value)
    found.kind = kind
    found.secrets = keyring.encrypt(
        fields, secret_context.of_credential(found, source, source_type)
    )
    found.is_valid, found.last_error = True, None
    told = audit.changes(found)
    session.flush()
    names = audit.of_owner(source, owner.project_id, owner.user_id)
    audit.record(session, "connected", "credential", found.id, **names, login=kind, changes=told)
    return found


def login_for(
    session: Session, keyring: Keyring, dataset: Dataset, source_type: SourceType
) -> Login:
    """Return the login of a dataset's owner at its source.

    Raises:
        CredentialMissingError: There is none.
        CredentialRefusedError: The source has refused it; a person must reconnect.
    """
    source, owner = dataset.project_source.source, Owner.of(dataset)
    check_consent(dataset)
    found = lookups.credential(session, source.id, owner.project_id, owner.user_id)
    how = f"{quote(source.name)} {owner}"
    if found is None:
        if not source_type.needs_credential:
            return Login(credential_id=None, kind="none", fields={})
        raise CredentialMissingError(
            f"No account is connected for {lookups.path(dataset)}.", f"{FIRST_CONNECT} {how}"
        )
    if not found.is_valid:
        raise CredentialRefusedError(
            f"The login for {lookups.path(dataset)} is no longer accepted.", f"{RECONNECT} {how}"
        )
    found.last_used_at = datetime.now(UTC)
    fields = _for_tap(found, source, source_type, keyring)
    return Login(
        credential_id=found.id,
        kind=found.kind,
        fields=fields,
        known=fields.get("refresh_token"),
    )


def check_consent(dataset: Dataset) -> None:
    """Refuse to read with the login of a user who did not agree to this project and source.

    Raises:
        CredentialMissingError: The user did not agree, or the source was unlinked since.
    """
    if dataset.user_id is None or dataset.agreed_at is not None:
        return
    link = dataset.project_source
    project, source, user = map(quote, (link.project_id, link.source.name, dataset.user_id))
    raise CredentialMissingError(
        f"The user has not agreed that {lookups.path(dataset)} is read with their account.",
        f"They agree by: scout datasets ensure {source} --project {project} --user {user}",
    )


def _for_tap(
    found: Credential, source: Source, source_type: SourceType, keyring: Keyring
) -> dict[str, str]:
    """Return the fields that a tap is given; one that can renew gets no token that ends."""
    opened = keyring.decrypt(
        found.secrets, secret_context.of_credential(found, source, source_type)
    )
    fields = {str(name): str(value) for name, value in opened.items()}
    renews = CREDENTIAL_FILE in source_type.settings
    if found.kind != OAUTH or "refresh_token" not in fields:
        return fields
    if not renews:
        return {"access_token": fields.get("access_token", "")}
    fields.pop("access_token", None)
    fields.pop(ORIGIN, None)
    fields["client_id"] = source.oauth_client_id or ""
    if source.oauth_client_secret:
        context = secret_context.of_client_secret(source, source_type)
        fields |= keyring.decrypt(source.oauth_client_secret, context)
    return fields


def take_back(store: Store, keyring: Keyring, login: Login, written: bytes) -> bool:
    """Store what a tap wrote to its ``credential_file``; tell whether it was news."""
    try:
        stored = json.loads(written)
    except (ValueError, RecursionError):
        return False
    if not isinstance(stored, dict) or stored.get("refresh_token") in {None, login.known}:
        return False
    tokens = Tokens(
        access_token=stored.get("access_token") or "",
        refresh_token=str(stored["refresh_token"]),
        expires_at=_moment(stored.get("expires_at")),
        scopes=None,
    )
    with store.begin() as session:
        is_ours = replace(
            session, keyring, login.credential_id, login.known, tokens, stored.get("origin")
        )
    if is_ours:
        login.known = tokens.refresh_token
    return is_ours


def _moment(seconds: object) -> datetime | None:
    """Return the moment that a tap wrote, which may be any value."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None


def descends(written: bytes, fields: Mapping[str, Any]) -> bool:
    """Tell whether a tap wrote a file in a run that was given the stored token, or its parent."""
    try:
        origin = json.loads(written).get(ORIGIN)
    except (ValueError, AttributeError, RecursionError):
        return False
    token = fields.get("refresh_token")
    return bool(token) and origin in {fields.get(ORIGIN), origin_of(str(token))}


def origin_of(refresh_token: str) -> str:
    """Return the digest by which our taps say which token theirs descends from."""
    return hashlib.sha256(b"refresh token:" + refresh_token.encode()).hexdigest()


def replace(
    session: Session,
    keyring: Keyring,
    credential_id: uuid.UUID | None,
    known: str | None,
    tokens: Tokens,
    origin: str | None = None,
) -> bool:
    """Put new tokens in the place of those that they descend from; tell whether these were there.

    A login that a person connected anew meanwhile, or that somebody else renewed, stays as it is.
    New tokens are for what the old ones were for: also where the source moved meanwhile.
    """
    found = session.get(Credential, credential_id, with_for_update={"of": Credential})
    if found is None:
        return False
    sealed = keyring.open(found.secrets)
    if sealed.fields.get("refresh_token") != known:
        return False
    fresh = {**sealed.fields, "access_token": tokens.access_token, ORIGIN: origin}
    if tokens.refresh_token:
        fresh["refresh_token"] = tokens.refresh_token
    found.secrets = keyring.seal(changed(sealed, fields=fresh))
    found.token_expires_at = tokens.expires_at
    found.scopes = tokens.scopes or found.scopes
    if found.last_error != secret_context.ADDRESS_CHANGED:
        found.is_valid, found.last_error = True, None
    audit.record(session, "renewed", "credential", found.id, **_names(found), secrets=audit.CHANGED)
    return True


def refuse(session: Session, credential_id: uuid.UUID, reason: str) -> None:
    """Remember that a source refused a login for good: a person must reconnect."""
    session.execute(
        update(Credential)
        .where(Credential.id == credential_id)
        .values(is_valid=False, last_error=reason, updated_at=func.now())
    )
    found = session.get(Credential, credential_id)
    names = _names(found) if found else {}
    audit.record(session, "needs reconnect", "credential", credential_id, **names, reason=reason)


def _names(found: Credential) -> dict[str, str | None]:
    return audit.of_owner(found.source, found.project_id, found.user_id)
