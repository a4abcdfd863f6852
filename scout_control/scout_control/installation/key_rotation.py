"""Re-encrypts all stored secrets: with the primary key, or bound to an encryption context.

Rotation needs no downtime. A key file gets a new primary key only if its first key has encrypted
everything already: one that a person has put first must be the one that encrypts afterwards. Older
versions stored secrets without a context; ``scout init`` binds them once, in the transaction of the
upgrade.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from scout_control.errors import ConflictError
from scout_control.installation import encryption, key_file, stored_secrets
from scout_control.rules.wording import counted
from scout_control.store import audit, models
from scout_control.store.locks import exclusive
from scout_control.store.models import Credential, Dataset, ReaderLogin, ServiceLogin, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from scout_control.installation.encryption import Keyring
    from scout_control.installation.installation import Installation

log = logging.getLogger(__name__)

CIPHERTEXTS: tuple[tuple[Any, Any], ...] = (
    (models.Connection.id, models.Connection.login),
    (Source.id, Source.oauth_client_secret),
    (Credential.id, Credential.secrets),
    (ServiceLogin.role, ServiceLogin.secrets),
    (Dataset.id, Dataset.hash_key),
    (Dataset.id, Dataset.reader_login),
    (ReaderLogin.id, ReaderLogin.password),
)
REPLACEABLE = (ServiceLogin.secrets, Dataset.reader_login, ReaderLogin.password)
"""What no key decrypts is made again when it is next needed, and is left as it is until then."""
LOCK_NAME, LOCK_TIMEOUT_SECONDS = "scout keys rotate", 300


@dataclass(frozen=True, kw_only=True)
class RotationPlan:
    """What a rotation is going to do with the keys."""

    file: Path | None
    """The key file; None if the keys are in SCOUT_ENCRYPTION_KEYS, which only people change."""
    adds_key: bool
    """Whether the file gets a new primary key, because everything has the present one already."""
    older_keys: int
    """How many keys of the file are no longer needed afterwards."""


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """What a rotation has done."""

    changed: int
    """How many secrets were re-encrypted."""
    file: Path | None
    added_key: bool
    removed_keys: int


def plan(installation: Installation) -> RotationPlan:
    """Return what a rotation would do; changes nothing.

    Raises:
        SettingsError: No configured key decrypts some of the secrets.
    """
    settings = installation.settings
    file = None if settings.encryption_keys else settings.key_file
    if file is not None:
        installation.forget_keyring()  # it may have been changed since it was read
    with installation.store.begin() as session:
        lost = stored_secrets.find_loss(installation, session.connection())
        found = stored_secrets.find(installation, session.connection())
        ciphertexts = [secret.ciphertext for secret in found]
    if lost:
        raise stored_secrets.loss_error(installation, lost)
    if file is None:
        return RotationPlan(file=None, adds_key=False, older_keys=0)
    number = len(key_file.read(file))
    adds_key = needs_new_key(installation.keyring, ciphertexts, number)
    return RotationPlan(file=file, adds_key=adds_key, older_keys=number if adds_key else number - 1)


def needs_new_key(keyring: Keyring, ciphertexts: Sequence[bytes], number: int) -> bool:
    """Return whether a rotation must add a key: the primary one is in use, and no older one is.

    Of several keys that have encrypted nothing yet, the first one is as good as a new one.
    """
    if has_older(keyring, ciphertexts):
        return False
    return number == 1 or any(map(keyring.is_primary, ciphertexts))


def has_older(keyring: Keyring, ciphertexts: Iterable[bytes]) -> bool:
    """Return whether a key other than the primary one has encrypted any of these."""
    return any(keyring.opens(each) and not keyring.is_primary(each) for each in ciphertexts)


def rotate(installation: Installation, *, forget_old: bool = False) -> Rotation:
    """Re-encrypt all secrets with the primary key.

    A key file whose first key has encrypted everything already gets a new primary key first.

    Args:
        installation: The installation.
        forget_old: Then remove the older keys from the key file.

    Raises:
        SettingsError: No configured key decrypts some of them; nothing was changed.
        ConflictError: Another process still encrypts with an older key; none was removed.
    """
    # Alone: of two processes that add a key at once, one would overwrite the key of the other.
    with exclusive(installation.store, LOCK_NAME, LOCK_TIMEOUT_SECONDS):
        planned = plan(installation)
        if planned.file is not None and planned.adds_key:
            encryption.add_primary_key(planned.file)
            installation.forget_keyring()
        changed = 0
        # A secret that another process changed in between is skipped, hence further rounds.
        while count := sum(_rotate(installation, key, column) for key, column in CIPHERTEXTS):
            changed += count
        added = planned.adds_key
        with installation.store.begin() as session:
            details = {"secrets": changed, "added_key": added, "forget_old": forget_old}
            audit.record(session, "rotated", "keys", "all", **details)
        removed = 0
        if forget_old and planned.file is not None:
            removed = _remove_old_keys(installation, planned.file, was_added=added)
    return Rotation(changed=changed, file=planned.file, added_key=added, removed_keys=removed)


def _remove_old_keys(installation: Installation, file: Path, *, was_added: bool) -> int:
    with installation.store.begin() as session:
        found = stored_secrets.find(installation, session.connection())
        needed = [
            secret.context.subject
            for secret in found
            if has_older(installation.keyring, [secret.ciphertext])
        ]
    if needed:
        raise ConflictError(
            f"{counted(len(needed), 'secret')} got encrypted with an older key meanwhile: "
            f"{'; '.join(needed)}. No key was removed from {file}"
            f"{', which has a new key' if was_added else ''}.",
            "Restart all workers, then repeat: scout keys rotate --forget-old",
        )
    removed = encryption.remove_old_keys(file)
    installation.forget_keyring()
    return removed


def bind_all(installation: Installation, connection: Connection) -> None:
    """Bind the secrets of an older version to their current rows and addresses.

    A secret that no key decrypts stays as it is; its owner has to connect again.
    """
    keyring = installation.keyring
    for secret in stored_secrets.find(installation, connection):
        if not keyring.opens(secret.ciphertext):
            log.warning("not_bound table=%s: no configured key decrypts it", secret.table)
            continue
        sealed = keyring.open(secret.ciphertext)
        if not sealed.is_reset:
            secret.replace(connection, keyring.encrypt(sealed.fields, secret.context))


def _rotate(installation: Installation, key: Any, column: Any) -> int:
    changed = 0
    with installation.store.begin() as session:
        rows = session.execute(select(key, column).where(column.is_not(None))).all()
    for row_id, ciphertext in rows:
        if column in REPLACEABLE and not installation.keyring.opens(ciphertext):
            continue
        rotated = installation.keyring.rotate(ciphertext)
        if rotated is None:
            continue
        with installation.store.begin() as session:
            updated = session.execute(
                update(key.class_)
                # Unless it has been changed since it was read: the next round handles that.
                .where(key == row_id, column == ciphertext)
                .values({column: rotated})
                .returning(key)
            )
            changed += int(updated.first() is not None)
    return changed
