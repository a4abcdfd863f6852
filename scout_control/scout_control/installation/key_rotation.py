"""Re-encrypts all stored secrets: with a new primary key, or bound to an encryption context.

Rotation needs no downtime. Older versions stored secrets without a context; ``scout init`` binds
them once, in the transaction of the upgrade.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from scout_control.installation import encryption, stored_secrets
from scout_control.store import audit, models
from scout_control.store.models import Credential, Dataset, ServiceLogin, Source

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from scout_control.installation.installation import Installation

log = logging.getLogger(__name__)

CIPHERTEXTS: tuple[tuple[Any, Any], ...] = (
    (models.Connection.id, models.Connection.login),
    (Source.id, Source.oauth_client_secret),
    (Credential.id, Credential.secrets),
    (ServiceLogin.role, ServiceLogin.secrets),
    (Dataset.id, Dataset.hash_key),
    (Dataset.id, Dataset.reader_login),
)
REPLACEABLE = (Dataset.reader_login,)
"""What no key decrypts is made again when it is next needed, and is left as it is until then."""


def rotate(installation: Installation, *, forget_old: bool = False) -> int:
    """Re-encrypt all secrets with the primary key; return how many were changed.

    With a key file, a new primary key is generated first.

    Args:
        installation: The installation.
        forget_old: Then remove the older keys from the key file.

    Raises:
        SettingsError: No configured key decrypts some of them; nothing was changed.
    """
    with installation.store.begin() as session:
        lost = stored_secrets.find_loss(installation, session.connection())
    if lost:
        raise stored_secrets.loss_error(installation, lost)
    key_file = None if installation.settings.encryption_keys else installation.settings.key_file
    if key_file is not None:
        encryption.add_primary_key(key_file)
        installation.forget_keyring()
    changed = 0
    # A secret that another process changed in between is skipped, hence further rounds.
    while count := sum(_rotate(installation, key, column) for key, column in CIPHERTEXTS):
        changed += count
    with installation.store.begin() as session:
        details = {"secrets": changed, "forget_old": forget_old}
        audit.record(session, "rotated", "keys", "all", **details)
    if forget_old and key_file is not None:
        encryption.remove_old_keys(key_file)
        installation.forget_keyring()
    return changed


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
