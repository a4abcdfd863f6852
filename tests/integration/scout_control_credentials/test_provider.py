"""What a provider publishes is fetched when needed, and kept for a time."""

from __future__ import annotations

import pytest
from joserfc import jwk
from scout_control.credentials.provider import KEPT_SECONDS, PAUSE_SECONDS, Provider, _shown
from scout_control.credentials.provider_tokens import InvalidTokenError, UnknownKeyError
from scout_control.errors import ServerUnavailableError, SettingsError
from scout_control.installation.openid_settings import OpenIDSettings
from support import openid


@pytest.fixture(scope="module")
def server():
    with openid.provider() as started:
        yield started


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(server, clock):
    server.requests.clear()
    return Provider(settings_for(server.issuer), clock)


def settings_for(issuer, **changes):
    return OpenIDSettings(issuer=issuer, client_id=openid.CLIENT, audience=openid.CLIENT, **changes)


def test_keys_are_fetched_once_and_again_after_a_time(server, provider, clock):
    for _ in range(3):
        assert provider.verify(server.token())["sub"] == "subject-of-ann"
    assert server.requests.count("/keys") == 1

    clock.now = KEPT_SECONDS
    provider.verify(server.token())

    assert server.requests.count("/keys") == 2


def test_a_new_key_is_found_at_once_and_unknown_ones_are_not_looked_up_each_time(
    server, provider, clock
):
    provider.verify(server.token())
    old, server.key = server.key, jwk.generate_key("RSA", 2048, {"kid": "two"})
    clock.now = PAUSE_SECONDS
    assert provider.verify(server.token())

    server.key = jwk.generate_key("RSA", 2048, {"kid": "unknown"})
    token, server.key = server.token(), old
    for _ in range(5):
        with pytest.raises(UnknownKeyError):
            provider.verify(token)

    assert server.requests.count("/keys") == 2


def test_old_keys_are_used_while_the_provider_is_silent(server, provider, clock):
    token = server.token()
    provider.verify(token)
    clock.now = KEPT_SECONDS
    server.changes = {"keys": "not keys"}
    try:
        assert provider.verify(token)
    finally:
        server.changes = {}


def test_a_silent_provider_is_told_and_asked_again_only_after_a_pause(server, clock):
    provider = Provider(settings_for("http://127.0.0.1:9"), clock)
    began = clock.now
    for _ in range(3):
        with pytest.raises(ServerUnavailableError, match="does not answer"):
            provider.verify(server.token())
    assert provider._metadata._at == began

    clock.now = PAUSE_SECONDS
    with pytest.raises(ServerUnavailableError):
        provider.verify(server.token())

    assert provider._metadata._at == PAUSE_SECONDS


def test_a_provider_that_calls_itself_otherwise_is_not_trusted(server, clock):
    provider = Provider(settings_for(server.issuer + "/"), clock)

    with pytest.raises(
        SettingsError, match=f"Set SCOUT_OIDC_ISSUER to what it does: {server.issuer}"
    ):
        provider.verify(server.token())


def test_an_endpoint_without_tls_elsewhere_is_refused(server, provider):
    server.changes = {"metadata": {"authorization_endpoint": "http://evil.example.org/authorize"}}
    try:
        with pytest.raises(SettingsError, match="authorization_endpoint"):
            provider.authorization_request("http://127.0.0.1/callback")
    finally:
        server.changes = {}


def test_a_token_for_another_audience_is_refused(server, provider):
    with pytest.raises(InvalidTokenError):
        provider.verify(server.token(aud="another"))


@pytest.mark.parametrize(
    ("word", "shown"),
    [("invalid_grant", "invalid_grant"), ("<b>\n\x1b[2J", "b2J"), (None, "None"), ("", "nothing")],
)
def test_a_word_of_the_provider_cannot_mislead(word, shown):
    assert _shown(word) == shown
