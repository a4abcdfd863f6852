"""Which columns of the store hold secrets: every list of them names the same."""

from __future__ import annotations

import pytest
from scout_control.installation import key_rotation, stored_secrets
from scout_control.installation.encryption import Keyring, generate
from scout_control.store import ciphertexts
from scout_control.store.models import Base
from sqlalchemy import LargeBinary

NO_SECRETS = ("salt", "hash", "lines", "digest", "state_hash", "browser_hash")
FOR_MINUTES = {"authorizations.secrets"}
"""Of what a browser is doing: after a rotation, it begins again."""


def test_all_secrets_are_checked_and_rotated():
    checked = {f"{table}.{column}" for table, column, _ in stored_secrets.SECRETS}
    rotated = {
        f"{key.class_.__tablename__}.{column.key}" for key, column in key_rotation.CIPHERTEXTS
    }
    binary = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }

    assert checked == rotated
    kept = {f"{table}.{column}" for table, column in ciphertexts.COLUMNS}
    made_again = {each for each in checked if each.split(".")[0] in stored_secrets.MADE_AGAIN}
    assert kept == checked - made_again
    assert made_again == {"service_logins.secrets", "reader_logins.password"}
    secret = {each for each in binary if each.rpartition(".")[2] not in NO_SECRETS}
    assert secret - FOR_MINUTES == checked


@pytest.mark.parametrize(
    ("encrypted_with", "fits"),
    [([], True), ([0], True), ([1], True), ([2], False), ([2, 2], False), ([2, 1], True)],
)
def test_keys_fit_if_they_decrypt_anything_that_is_stored(encrypted_with, fits):
    keys = [generate() for _ in range(3)]
    secrets = [Keyring([keys[number]]).encrypt({}) for number in encrypted_with]

    assert stored_secrets.fits(Keyring(keys[:2]), iter(secrets)) is fits
