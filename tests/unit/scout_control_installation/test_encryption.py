"""Secrets at rest."""

from __future__ import annotations

import stat

import pytest
from scout_control.errors import ConflictError, SettingsError
from scout_control.installation import encryption, key_file, key_rotation
from scout_control.installation.encryption import Keyring, generate


def test_a_missing_key_is_an_error_that_says_how_to_create_one():
    with pytest.raises(SettingsError, match="scout keys generate"):
        Keyring.of(None)


def test_an_invalid_key_is_rejected_and_not_shown():
    with pytest.raises(SettingsError) as refused:
        Keyring.of("not-a-key")

    assert "not-a-key" not in str(refused.value)


def test_the_primary_key_encrypts_and_any_key_decrypts():
    old, new = generate(), generate()
    ciphertext = Keyring.of(old).encrypt({"api_key": "canary"})
    rotated = Keyring.of(f"{new},{old}").rotate(ciphertext)

    assert Keyring.of(f"{new}, {old}").decrypt(ciphertext) == {"api_key": "canary"}
    assert rotated is not None
    assert Keyring.of(new).decrypt(rotated) == {"api_key": "canary"}
    assert Keyring.of(new).rotate(rotated) is None


def test_a_missing_old_key_is_reported():
    ciphertext = Keyring.of(generate()).encrypt({"api_key": "canary"})

    with pytest.raises(SettingsError, match="No configured key"):
        Keyring.of(generate()).decrypt(ciphertext)


def test_keys_are_separated_by_commas_spaces_or_lines():
    old, new = generate(), generate()
    ciphertext = Keyring.of(old).encrypt({"api_key": "canary"})

    for between in (",", ", ", "\n", " ", "\r\n"):
        keyring = Keyring.of(f"{new}{between}{old}\n")
        assert keyring.decrypt(ciphertext) == {"api_key": "canary"}
        assert not keyring.is_primary(ciphertext)


def test_a_new_key_never_replaces_a_file(tmp_path):
    file = tmp_path / "scout.keys"
    encryption.create_file(file)
    key = file.read_text()

    with pytest.raises(ConflictError, match="already exists"):
        encryption.create_file(file)
    assert file.read_text() == key
    assert Keyring.of(key).decrypt(Keyring.of(key).encrypt({})) == {}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_secret_that_was_reset_says_so_in_any_context():
    keyring = Keyring.of(generate())
    mark = keyring.seal(encryption.Sealed(fields={encryption.RESET: True}))
    context = encryption.EncryptionContext(
        identity=("connection", "1"),
        subject="the password of the connection far",
        command="scout connections update far --url",
        error=lambda reason: SettingsError(f"It {reason}.", "Set it again."),
    )

    with pytest.raises(SettingsError, match="was deleted"):
        keyring.decrypt(mark, context)
    with pytest.raises(SettingsError, match="connections update far --url"):
        Keyring.of(generate()).decrypt(mark, context)


def test_a_key_file_is_created_once_with_mode_0600(tmp_path):
    file = tmp_path / "encryption.keys"
    ciphertext = Keyring.of(None, file).encrypt({"token": "canary"})

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Keyring.of(None, file).decrypt(ciphertext) == {"token": "canary"}
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_key_file_readable_by_others_is_rejected(tmp_path):
    file = tmp_path / "encryption.keys"
    file.write_text(generate())
    file.chmod(0o644)

    with pytest.raises(SettingsError, match="chmod 600"):
        Keyring.of(None, file)


def test_an_empty_key_file_is_named(tmp_path):
    file = tmp_path / "encryption.keys"
    key_file.write_new(file, [])

    with pytest.raises(SettingsError, match=f"is empty: {file}"):
        Keyring.of(None, file)


def test_a_running_process_decrypts_with_keys_rotated_since(tmp_path):
    file = tmp_path / "encryption.keys"
    running = Keyring.of(None, file)
    before = running.encrypt({"token": "before"})
    encryption.add_primary_key(file)
    after = Keyring.of(None, file).encrypt({"token": "after"})

    assert running.decrypt(after) == {"token": "after"}
    assert Keyring.of(None, file).decrypt(before) == {"token": "before"}
    assert encryption.remove_old_keys(file) == 1
    assert len(file.read_text().split()) == 1


def test_a_running_process_encrypts_with_no_key_that_was_removed_from_the_file(tmp_path):
    file = tmp_path / "encryption.keys"
    running = Keyring.of(None, file)
    before = running.encrypt({"token": "before"})
    encryption.add_primary_key(file)
    encryption.remove_old_keys(file)
    after = running.encrypt({"token": "after"})

    assert Keyring.of(None, file).decrypt(after) == {"token": "after"}
    assert running.decrypt(before) == {"token": "before"}


def test_a_running_process_works_on_without_its_key_file(tmp_path):
    file = tmp_path / "encryption.keys"
    running = Keyring.of(None, file)
    kept = file.rename(tmp_path / "elsewhere.keys")
    ciphertext = running.encrypt({"token": "canary"})

    assert running.decrypt(ciphertext) == {"token": "canary"}
    assert Keyring.of(None, kept).decrypt(ciphertext) == {"token": "canary"}


@pytest.mark.parametrize(
    ("encrypted_with", "of_one", "of_two"),
    [
        ([], True, False),
        ([0], True, True),
        ([1], True, False),  # of one, no key decrypts it
        ([0, 1], True, False),
        ([2], True, False),
        ([2, 0], True, True),
    ],
)
def test_a_rotation_adds_a_key_only_where_the_first_one_is_not_new(encrypted_with, of_one, of_two):
    keys = [generate() for _ in range(3)]
    ciphertexts = [Keyring([keys[number]]).encrypt({}) for number in encrypted_with]

    assert key_rotation.needs_new_key(Keyring(keys[:1]), ciphertexts, 1) is of_one
    assert key_rotation.needs_new_key(Keyring(keys[:2]), ciphertexts, 2) is of_two
