"""Configurations that are kept or moved with their secrets encrypted."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet
from scout_control.credentials.encrypted_config import decrypt_credentials, encrypt_credentials
from scout_control.errors import SettingsError
from scout_control.installation.encryption import Keyring, generate

KEY = generate()
KEYRING = Keyring.of(KEY)
CONFIG = {
    "domain": "river",
    "api_key": "canary-1",
    "credentials": {"private_key": "canary-2"},
    "password": None,
    "token": 12345,
    "client_secret": "",
    "database": {"host": "db", "Password": "canary-3"},
    "accounts": [{"name": "a", "access_token": "canary-4"}, "plain"],
    "clinic_api_key": "canary-5 ü \U0001f600",
}


def test_secrets_are_encrypted_at_any_depth_and_decrypted_again():
    encrypted = encrypt_credentials(CONFIG, KEYRING)
    through_a_file = json.loads(json.dumps(encrypted))

    assert "canary" not in str(encrypted)
    assert "12345" not in str(encrypted)
    assert encrypted["domain"] == "river"
    assert encrypted["database"]["host"] == "db"
    assert encrypted["database"]["__enc_Password"] is True
    assert {name for name in encrypted if name.startswith("__enc_")} == {
        "__enc_api_key",
        "__enc_credentials",
        "__enc_token",
        "__enc_client_secret",
        "__enc_clinic_api_key",
    }
    assert decrypt_credentials(through_a_file, KEYRING) == CONFIG


def test_encrypting_twice_changes_nothing():
    encrypted = encrypt_credentials(CONFIG, KEYRING)

    assert encrypt_credentials(encrypted, KEYRING) == encrypted


def test_a_false_mark_means_plain_text():
    config = {"token": "canary", "__enc_token": False}

    assert decrypt_credentials(config, KEYRING) == {"token": "canary"}
    assert "canary" not in str(encrypt_credentials(config, KEYRING))


UNOPENED = {
    "plain": "canary",
    "empty": "",
    "nothing": None,
    "number": 7,
    "object": {"a": "canary"},
    "no token": "gAAAAA" + "x" * 20,
    "half a character": "\ud800",
    "another key": Keyring.of(generate()).encrypt({"value": "canary"}).decode(),
    "cut short": KEYRING.encrypt({"value": "canary"}).decode()[:-10],
    "a stored login": KEYRING.encrypt({"api_key": "canary"}).decode(),
    "another program": Fernet(KEY).encrypt(b"canary").decode(),
    "a list": Fernet(KEY).encrypt(b"[1]").decode(),
}


@pytest.mark.parametrize("token", UNOPENED.values(), ids=UNOPENED.keys())
@pytest.mark.parametrize("act", [encrypt_credentials, decrypt_credentials])
def test_a_marked_value_that_does_not_decrypt_is_rejected_and_not_shown(act, token):
    with pytest.raises(SettingsError, match="api_key is marked as encrypted") as refused:
        act({"db": {"api_key": token, "__enc_api_key": True}}, KEYRING)

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"__enc_api_key": True}, "a field that does not exist"),
        ({"api_key": "x", "__enc_api_key": "yes"}, "must be true or false"),
        ({"api_key": "x", "__enc_api_key": None}, "must be true or false"),
    ],
)
@pytest.mark.parametrize("act", [encrypt_credentials, decrypt_credentials])
def test_an_invalid_mark_is_rejected(act, config, words):
    with pytest.raises(SettingsError, match=words):
        act(config, KEYRING)


def test_a_value_that_is_not_json_is_rejected():
    with pytest.raises(SettingsError, match="token cannot be written as JSON"):
        encrypt_credentials({"token": datetime.now(UTC)}, KEYRING)
