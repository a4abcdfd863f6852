"""The key under which a dataset's loader hashes columns: made once, kept encrypted.

It stays when the data is dropped, so that a value has the same hash after a reload, and is deleted
with the dataset.
"""

from __future__ import annotations

import secrets
from shlex import quote
from typing import TYPE_CHECKING

from scout_control.errors import NotFoundError, SettingsError
from scout_control.installation import secret_context, stored_secrets
from scout_control.store import datasets, lookups

if TYPE_CHECKING:
    import uuid

    from scout_control.installation.installation import Installation
    from scout_control.store.models import Dataset

FIELD = "hash_key"


def ensure(installation: Installation, dataset_id: uuid.UUID) -> str:
    """Return the key of a dataset, made if it has none.

    Raises:
        SettingsError: No configured encryption key decrypts it, and there is data hashed under it.
    """
    with installation.store.begin() as session:
        dataset = datasets.lock(session, dataset_id)
        if dataset is None:
            raise NotFoundError(
                f"No dataset {str(dataset_id)!r} exists.", "See: scout datasets list"
            )
        context = secret_context.of_hash_key(dataset)
        if dataset.hash_key is None or _is_lost(installation, dataset):
            dataset.hash_key = installation.keyring.encrypt({FIELD: secrets.token_hex()}, context)
        return str(installation.keyring.decrypt(dataset.hash_key, context)[FIELD])


def _is_lost(installation: Installation, dataset: Dataset) -> bool:
    ciphertext, keyring = dataset.hash_key, installation.keyring
    if ciphertext is None or (keyring.opens(ciphertext) and not keyring.open(ciphertext).is_reset):
        return False
    if stored_secrets.has_data(dataset):
        path = lookups.path(dataset)
        raise SettingsError(
            f"No configured encryption key decrypts the hash key of {path}: new rows would have "
            "other hashes than those that are loaded.",
            "Add the key it was encrypted with to SCOUT_ENCRYPTION_KEYS, or load everything again: "
            f"scout datasets drop {quote(path)} && scout run {quote(path)}",
        )
    return True
