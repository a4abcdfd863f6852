"""Moves every stored secret under the first encryption key, while everything goes on running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from scout_control.credentials import encryption
from scout_control.errors import SettingsError
from scout_control.store import audit
from scout_control.store.models import Connection, Credential, ServiceLogin, Source

if TYPE_CHECKING:
    from scout_control.worker.site import Site

CIPHERTEXTS: tuple[tuple[Any, Any], ...] = (
    (Connection.id, Connection.login),
    (Source.id, Source.oauth_client_secret),
    (Credential.id, Credential.secrets),
    (ServiceLogin.role, ServiceLogin.secrets),
)


def rotate(site: Site, *, forget_old: bool = False) -> int:
    """Encrypt everything under the first key; return how many secrets that changed.

    With a key file a new key is made first. A secret that somebody changes meanwhile is left to
    the next round; rounds go on until nothing is left.
    """
    key_file = None if site.settings.encryption_keys else site.settings.key_file
    if key_file is not None:
        site.keyring  # noqa: B018 - makes the file when there is none
        encryption.add_to_file(key_file)
        del site.keyring
    changed = 0
    while count := sum(_rotate(site, key, column) for key, column in CIPHERTEXTS):
        changed += count
    with site.store.begin() as session:
        audit.record(session, "rotated", "keys", "all", changed=changed)
    if forget_old and key_file is not None:
        encryption.forget_old(key_file)
        del site.keyring
    return changed


def count_closed(site: Site) -> int:
    """Return how many stored secrets open with none of the keys."""
    with site.store.begin() as session:
        columns = [column for _, column in CIPHERTEXTS]
        found = [
            ciphertext
            for column in columns
            for ciphertext in session.scalars(select(column).where(column.is_not(None)))
        ]
    return sum(not _opens(site, ciphertext) for ciphertext in found)


def _opens(site: Site, ciphertext: bytes) -> bool:
    try:
        site.keyring.decrypt(ciphertext)
    except SettingsError:
        return False
    return True


def _rotate(site: Site, key: Any, column: Any) -> int:
    changed = 0
    with site.store.begin() as session:
        rows = session.execute(select(key, column).where(column.is_not(None))).all()
    for identity, ciphertext in rows:
        fresh = site.keyring.rotate(ciphertext)
        if fresh is None:
            continue
        with site.store.begin() as session:
            found = session.execute(
                update(key.class_)
                .where(key == identity, column == ciphertext)
                .values({column: fresh})
                .returning(key)
            )
            changed += int(found.first() is not None)
    return changed
