"""What OAuth errors mean, and which redirects are accepted. Without a server."""

from __future__ import annotations

import pytest
from scout_control.credentials.oauth import AuthorizationRequest, OAuthClient
from scout_control.errors import CredentialRefusedError, RunFailedError, SettingsError
from scout_control.meltano.project import OAuthPaths

REDIRECT_URI = "http://127.0.0.1:1/callback"
CLIENT = OAuthClient(
    source="hq",
    base_url="https://hq.example.org",
    paths=OAuthPaths(authorize="/oauth/authorize/", token="/oauth/token/"),
    client_id="id",
)
REQUEST = AuthorizationRequest(
    url="https://hq.example.org/oauth/authorize/?state=ours",
    state="ours",
    verifier="v",
    redirect_uri=REDIRECT_URI,
)


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        ("access_denied", RunFailedError, "Authorization was denied at hq.example.org"),
        ("invalid_grant", CredentialRefusedError, "A person must reconnect"),
        ("invalid_client", CredentialRefusedError, "A person must reconnect"),
        ("unauthorized_client", CredentialRefusedError, "A person must reconnect"),
        ("temporarily_unavailable", RunFailedError, "issued no token"),
        ("invalid_scope", RunFailedError, "client id, client secret and scopes"),
    ],
)
def test_only_permanent_errors_require_a_person(code, error, text):
    with pytest.raises(error, match=text) as raised:
        CLIENT.exchange_code(REQUEST, f"{REDIRECT_URI}?error={code}&state=ours")

    assert type(raised.value) is error


def test_an_error_code_is_quoted_without_control_characters():
    with pytest.raises(RunFailedError, match=r"\(31mred\)"):
        CLIENT.exchange_code(REQUEST, f"{REDIRECT_URI}?error=%1b%5b31mred&state=ours")


@pytest.mark.parametrize("state", ["", "theirs", "ours&state=ours"])
def test_a_redirect_with_another_state_is_rejected(state):
    with pytest.raises(SettingsError, match="not the response to this authorization request"):
        CLIENT.exchange_code(REQUEST, f"{REDIRECT_URI}?code=c&state={state}")


@pytest.mark.parametrize(
    ("base_url", "text"),
    [
        ("http://hq.example.org", "unencrypted"),
        ("hq.example.org", "invalid"),
        ("https://elsewhere.example.org", "changed during the authorization"),
    ],
)
def test_a_code_is_sent_only_to_the_issuer_over_https(base_url, text):
    client = OAuthClient(source="hq", base_url=base_url, paths=CLIENT.paths, client_id="id")

    with pytest.raises(SettingsError, match=text):
        client.exchange_code(REQUEST, f"{REDIRECT_URI}?code=c&state=ours")
