"""The settings of the provider that signs people in."""

from __future__ import annotations

import pytest
from scout_control.errors import SettingsError
from scout_control.installation.openid_settings import OpenIDSettings

ISSUER, CLIENT = "https://id.example.org/realm", "scout"
LEAST = {"SCOUT_OIDC_ISSUER": ISSUER, "SCOUT_OIDC_CLIENT_ID": CLIENT}


def test_an_environment_without_them_has_no_provider():
    assert OpenIDSettings.read({"SCOUT_HOME": "/x", "SCOUT_OIDC_ISSUER": " "}) is None


def test_the_least_is_issuer_and_client_and_the_rest_has_defaults():
    found = OpenIDSettings.read(LEAST)

    assert found == OpenIDSettings(issuer=ISSUER, client_id=CLIENT, audience=CLIENT)
    assert (found.subject_claim, found.new_person_claim) == ("sub", None)
    assert hash(found)  # the key of what is kept of a provider


def test_each_setting_is_read_and_the_secret_is_not_shown():
    found = OpenIDSettings.read(
        LEAST
        | {
            "SCOUT_OIDC_CLIENT_SECRET": "canary",
            "SCOUT_OIDC_AUDIENCE": "api",
            "SCOUT_OIDC_SUBJECT_CLAIM": "oid",
            "SCOUT_OIDC_NEW_PERSON_CLAIM": "preferred_username",
            "SCOUT_OIDC_SCOPES": "openid",
        }
    )

    assert (found.client_secret, found.audience, found.scopes) == ("canary", "api", "openid")
    assert (found.subject_claim, found.new_person_claim) == ("oid", "preferred_username")
    assert "canary" not in repr(found)


@pytest.mark.parametrize("missing", LEAST)
def test_what_is_missing_is_named(missing):
    rest = {name: value for name, value in LEAST.items() if name != missing}

    with pytest.raises(SettingsError, match=f"{missing} is not set"):
        OpenIDSettings.read(rest)


def test_a_mistyped_name_is_told():
    with pytest.raises(SettingsError, match="no setting SCOUT_OIDC_CLIENT"):
        OpenIDSettings.read(LEAST | {"SCOUT_OIDC_CLIENT": "x"})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:1"])
def test_without_tls_a_provider_is_on_this_machine(url):
    assert OpenIDSettings.read(LEAST | {"SCOUT_OIDC_ISSUER": url}).issuer == url


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.org",
        "http://127.0.0.1.evil.example.org",
        "https://ann:secret@id.example.org",
        "https://",
        "ftp://id.example.org",
        "id.example.org",
        "https://id.example.org\\@evil.example.org",
        "https://id.example.org#x",
        "https://[::1",
        "https://id.example.org:x",
    ],
)
def test_other_addresses_are_refused_without_repeating_them(url):
    with pytest.raises(SettingsError, match="SCOUT_OIDC_ISSUER is not the URL") as raised:
        OpenIDSettings.read(LEAST | {"SCOUT_OIDC_ISSUER": url})

    assert "secret" not in str(raised.value)
