"""To what a stored secret is bound, and what opens it nowhere else."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from scout_control.errors import CredentialRefusedError, SettingsError
from scout_control.installation import encryption, secret_context
from scout_control.installation.encryption import EncryptionContext, Keyring, Sealed, generate
from scout_control.meltano.project import SourceType

KEY = generate()
KEYRING = Keyring.of(KEY)
SECRETS = {"api_key": "canary ü \U0001f600"}
ID, SOURCE_ID = uuid.uuid4(), uuid.uuid4()


def a_type(**fields) -> SourceType:
    given = {"name": "tap-commcare", "label": "HQ", "executable": "x", "settings": ()}
    return SourceType(**given | {"sensitive": ()} | fields)


def a_source(**fields):
    given = {"id": SOURCE_ID, "name": "my hq", "base_url": "https://hq.test", "config": {}}
    return SimpleNamespace(**given | fields)


def a_credential(**fields):
    given = {"id": ID, "source_id": SOURCE_ID, "project_id": "river", "user_id": None}
    return SimpleNamespace(**{"kind": "api_key"} | given | fields)


def a_connection(**fields):
    given = {"id": ID, "name": "main", "host": "db", "port": 5432, "database": "x", "sslmode": None}
    return SimpleNamespace(**given | fields)


def of_credential(credential=None, source=None, source_type=None) -> EncryptionContext:
    return secret_context.of_credential(
        credential or a_credential(), source or a_source(), source_type or a_type()
    )


@pytest.mark.parametrize(
    "same",
    [
        of_credential(source=a_source(base_url="https://HQ.test:443/")),
        of_credential(source=a_source(config={"domain": "river", "page_size": 5})),
        of_credential(source=a_source(name="renamed")),
        of_credential(source=a_source(base_url=None, config={"base_url": "https://hq.test"})),
        of_credential(source_type=a_type(label="CommCare")),
    ],
    ids=["spelling", "what is read", "name", "address in the settings", "label"],
)
def test_what_leads_nowhere_else_keeps_a_credential(same):
    ciphertext = KEYRING.encrypt(SECRETS, of_credential())

    assert KEYRING.decrypt(ciphertext, same) == SECRETS


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (of_credential(a_credential(id=uuid.uuid4())), encryption.IDENTITY_DIFFERS),
        (of_credential(a_credential(source_id=uuid.uuid4())), encryption.IDENTITY_DIFFERS),
        (of_credential(a_credential(project_id="hill")), encryption.IDENTITY_DIFFERS),
        (of_credential(a_credential(project_id=None, user_id="river")), "something else"),
        (of_credential(source=a_source(base_url="https://evil.test")), "address of the source"),
        (of_credential(source=a_source(base_url="http://hq.test")), "address of the source"),
        (of_credential(source=a_source(base_url="https://hq.test:8443")), "address of the source"),
        (of_credential(source=a_source(config={"verify_ssl": False})), "address of the source"),
        (of_credential(source=a_source(config={"proxy": "http://x"})), "address of the source"),
        (of_credential(source_type=a_type(name="tap-other")), "address of the source"),
        (secret_context.of_client_secret(a_source(id=ID), a_type()), "something else"),
        (secret_context.of_connection(a_connection()), "something else"),
        (secret_context.of_service("role"), "something else"),
    ],
    ids=[
        "row",
        "source",
        "project",
        "user of that name",
        "host",
        "scheme",
        "port",
        "certificates",
        "proxy",
        "tap",
        "as a client secret",
        "as a password",
        "as a service",
    ],
)
def test_a_credential_opens_nowhere_else(other, reason):
    ciphertext = KEYRING.encrypt(SECRETS, of_credential())

    with pytest.raises((SettingsError, CredentialRefusedError), match=reason) as refused:
        KEYRING.decrypt(ciphertext, other)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("credential", "arguments"),
    [
        (a_credential(), "'my hq' --project river"),
        (a_credential(project_id=None, user_id="ann o'hara"), "'my hq' --user 'ann o'\"'\"'hara'"),
    ],
)
def test_the_remedy_is_a_command_that_can_be_pasted(credential, arguments):
    moved = of_credential(credential, a_source(base_url="https://elsewhere.test"))
    ciphertext = KEYRING.encrypt(SECRETS, of_credential(credential))

    with pytest.raises(CredentialRefusedError) as refused:
        KEYRING.decrypt(ciphertext, moved)
    assert refused.value.cause == secret_context.ADDRESS_CHANGED
    assert refused.value.remedy.endswith(f"scout credentials connect {arguments}")


@pytest.mark.parametrize("name", ["host", "port", "database", "sslmode"])
def test_a_password_goes_to_the_database_that_it_was_given_for(name):
    context = secret_context.of_connection(a_connection(sslmode="verify-full"))
    changed = a_connection(**{"sslmode": "verify-full", name: "changed"})
    ciphertext = KEYRING.encrypt(SECRETS, context)

    with pytest.raises(SettingsError, match="another address") as refused:
        KEYRING.decrypt(ciphertext, secret_context.of_connection(changed))
    assert refused.value.remedy == "Set it again: scout connections update main --url"


def test_a_secret_of_the_store_does_not_pass_for_a_configuration():
    with pytest.raises(SettingsError, match="belongs to the store"):
        KEYRING.decrypt(KEYRING.encrypt(SECRETS, of_credential()))


def test_a_secret_without_a_binding_opens_no_context():
    with pytest.raises(CredentialRefusedError, match="is not bound to an owner"):
        KEYRING.decrypt(KEYRING.encrypt(SECRETS), of_credential())


@pytest.mark.parametrize(
    "document",
    [
        {"for": ["credential"], "at": {}, "fields": {"a": 1}, "more": 1},
        {"for": ["credential"], "fields": {"a": 1}},
        {"fields": {"a": 1}},
        {},
    ],
)
def test_an_older_secret_whose_fields_look_like_a_binding_has_none(document):
    assert Sealed.of(document) == Sealed(fields=document)


@pytest.mark.parametrize("document", [None, [], "text", 7, True])
def test_what_is_no_object_was_not_sealed_here(document):
    assert Sealed.of(document) is None


def test_what_is_sealed_keeps_its_binding_under_a_new_key():
    old, new = generate(), generate()
    ciphertext = Keyring.of(old).encrypt(SECRETS, of_credential())
    rotated = Keyring.of(f"{new},{old}").rotate(ciphertext)

    assert Keyring.of(new).decrypt(rotated, of_credential()) == SECRETS
    assert Keyring.of(new).open(rotated) == Keyring.of(old).open(ciphertext)


@pytest.mark.parametrize(
    ("content", "opens"),
    [(b'{"a": 1}', True), (b"[1]", False), (b"{", False), (b"\xff", False), (b"[" * 9999, False)],
)
def test_only_an_object_under_our_key_opens(content, opens):
    ciphertext = Fernet(KEY).encrypt(content)

    assert KEYRING.opens(ciphertext) is opens


def test_representations_show_no_secret():
    sealed = KEYRING.open(KEYRING.encrypt(SECRETS, of_credential()))

    assert "canary" not in repr(sealed)
    assert "canary" not in repr(of_credential())
