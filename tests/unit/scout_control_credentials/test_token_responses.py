"""What the client takes from token responses and redirects, and where it sends secrets."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.credentials import oauth
from scout_control.credentials.oauth import OAuthClient, equal_in_constant_time, unique_parameters
from scout_control.errors import RunFailedError, ServerError, SettingsError
from scout_control.meltano.project import OAuthPaths

PATHS = OAuthPaths(authorize="/o/authorize/", token="/o/token/", scopes=("read", "export"))
REDIRECT_URI = "http://127.0.0.1:8765/callback"
MINUTE = timedelta(minutes=1)


def client(base_url="https://hq.example.org", paths=PATHS, **fields) -> OAuthClient:
    return OAuthClient(source="hq", base_url=base_url, paths=paths, client_id="id", **fields)


def parsed(**response):
    return oauth._parse_tokens({"access_token": "a", **response})


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (0.5, 0.5),
        (oauth.LONGEST_TOKEN_SECONDS - 1, oauth.LONGEST_TOKEN_SECONDS - 1),
        (0, None),
        (None, None),
        ("", None),
        (-1, None),
        (oauth.LONGEST_TOKEN_SECONDS, None),
        (1e300, None),
        (float("inf"), None),
    ],
)
def test_a_lifetime_becomes_a_time_or_is_unknown(expires_in, seconds):
    before = datetime.now(UTC)
    tokens = parsed(expires_in=expires_in)

    if seconds is None:
        assert tokens.expires_at is None
    else:
        wait = tokens.expires_at - timedelta(seconds=seconds) - before
        assert timedelta() <= wait < MINUTE


@pytest.mark.parametrize(
    "response",
    [
        {"access_token": 5},
        {"access_token": ["a"]},
        {"refresh_token": {"a": 1}},
        {"scope": ["read"]},
        {"expires_in": "soon"},
        {"expires_in": [60]},
        {"expires_in": {"a": 1}},
        {"expires_in": float("nan")},
        {"expires_in": 10**400},
    ],
)
def test_a_response_of_another_shape_is_an_error_that_quotes_nothing(response):
    with pytest.raises(RunFailedError, match="unexpected response") as raised:
        client()._request_tokens(lambda: {"access_token": "canary", **response})

    assert str(raised.value).startswith("hq.example.org returned an invalid token response")
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("response", [None, [], "text", 7])
def test_a_response_that_is_no_object_is_the_same_error(response):
    with pytest.raises(RunFailedError, match="unexpected response"):
        client()._request_tokens(lambda: response)


@pytest.mark.parametrize("response", [{}, {"access_token": ""}, {"access_token": None}])
def test_a_response_without_a_token_does_not_invalidate_the_credential(response):
    with pytest.raises(RunFailedError, match=r"issued no token .*\(no token\)"):
        client()._request_tokens(lambda: response)


def test_a_server_that_is_away_is_named_with_the_kind_of_failure_only():
    import requests  # noqa: PLC0415 - as late as the client does it

    def send():
        raise requests.ConnectionError("canary in the text of a library")

    with pytest.raises(ServerError) as raised:
        client()._request_tokens(send)

    assert raised.value.cause == "hq.example.org did not respond (ConnectionError)."


@pytest.mark.parametrize(
    ("url", "parameters"),
    [
        ("http://h/?code=c&state=s", {"code": "c", "state": "s"}),
        ("http://h/?code=&state=s", {"code": "", "state": "s"}),
        ("http://h/?code=a%20b&x=%E0%A4%A8", {"code": "a b", "x": "न"}),
        ("code=c", {}),
        ("", {}),
        ("http://h/#code=c", {}),
        ("http://h/?code=c&code=d", None),
        ("http://h/?code=c&c%6fde=d", None),
        ("http://h/?state=s&state=", None),
        ("http://[::1/?code=c", None),
        ("http://h/?" + "&".join(f"p{number}=1" for number in range(oauth.MOST_PARAMETERS)), 20),
        ("http://h/?" + "&".join(f"p{number}=1" for number in range(21)), None),
    ],
    ids=[
        "plain",
        "empty value",
        "escaped",
        "no URL",
        "empty",
        "in the fragment",
        "repeated",
        "repeated, once escaped",
        "repeated, once empty",
        "broken host",
        "as many as allowed",
        "too many",
    ],
)
def test_each_parameter_of_a_redirect_has_one_value(url, parameters):
    found = unique_parameters(url)

    assert (len(found) if isinstance(parameters, int) else found) == parameters


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=20))
def test_what_was_escaped_is_read_back(parameters):
    def is_whole(text):
        return not any("\ud800" <= each <= "\udfff" for each in text)

    given_ = {k: v for k, v in parameters.items() if is_whole(k) and is_whole(v)}
    query = "&".join(f"{quote(name, safe='')}={quote(v, safe='')}" for name, v in given_.items())

    assert unique_parameters(f"http://127.0.0.1/?{query}") == given_


@pytest.mark.parametrize(
    "other", ["", "secre", "secret ", "Secret", "sécret", "\ud800", "secret\0"]
)
def test_only_the_same_text_is_equal(other):
    assert equal_in_constant_time("secret", "secret")
    assert not equal_in_constant_time("secret", other)
    assert equal_in_constant_time(other, other)


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        ("https://hq.test", "/o/token/", "https://hq.test/o/token/"),
        ("https://hq.test/", "o/token/", "https://hq.test/o/token/"),
        ("https://hq.test/prefix", "/o/token/", "https://hq.test/prefix/o/token/"),
        ("https://hq.test:8443", "/o/token/", "https://hq.test:8443/o/token/"),
        ("http://127.0.0.1:9", "/o/token/", "http://127.0.0.1:9/o/token/"),
        ("http://[::1]:9", "/o/token/", "http://[::1]:9/o/token/"),
        ("http://localhost", "/o/token/", "http://localhost/o/token/"),
        ("https://hq.test", "//evil.test/token", "https://hq.test/evil.test/token"),
    ],
)
def test_endpoints_are_below_the_base_url(base_url, path, url):
    assert client(base_url)._url(path) == url


@pytest.mark.parametrize(
    ("base_url", "path", "text"),
    [
        ("https://hq.test", "https://evil.test/token", "base URL of the source hq is invalid"),
        ("https://hq.test", "/../\\evil.test", "base URL of the source hq is invalid"),
        ("https://user@hq.test", "/o/", "base URL of the source hq is invalid"),
        ("hq.test", "/o/", "base URL of the source hq is invalid"),
        ("", "/o/", "base URL of the source hq is invalid"),
        ("http://hq.test", "/o/", "would send secrets to hq.test unencrypted"),
        ("http://127.0.0.1.evil.test", "/o/", "unencrypted"),
        ("http://10.0.0.1", "/o/", "unencrypted"),
    ],
)
def test_no_secret_is_sent_to_another_host_or_in_the_clear(base_url, path, text):
    with pytest.raises(SettingsError, match=text):
        client(base_url)._url(path)


def test_each_request_for_authorization_is_fresh_and_shows_no_verifier():
    one, other = (client().authorization_request(REDIRECT_URI) for _ in range(2))
    sent = parse_qs(urlsplit(one.url).query)

    assert (sent["redirect_uri"], sent["scope"]) == ([REDIRECT_URI], ["read export"])
    assert (sent["code_challenge_method"], sent["state"]) == (["S256"], [one.state])
    assert len({one.state, other.state, one.verifier, other.verifier}) == 4
    assert min(len(one.verifier), len(other.verifier)) >= 43  # RFC 7636, 4.1
    assert set(one.verifier) <= set(string.ascii_letters + string.digits + "-._~")
    assert one.verifier not in one.url
    assert one.verifier not in repr(one)
    assert one.state not in repr(one).replace(one.url, "")


def test_the_scopes_of_a_request_replace_those_of_the_source_type():
    sent = parse_qs(urlsplit(client().authorization_request(REDIRECT_URI, "read").url).query)

    assert sent["scope"] == ["read"]


@pytest.mark.parametrize("url", ["", "   ", "not a URL", REDIRECT_URI, f"{REDIRECT_URI}?state=x"])
def test_a_redirect_that_is_not_ours_is_refused_before_anything_is_sent(url):
    request = client().authorization_request(REDIRECT_URI)

    with pytest.raises(SettingsError, match="not the response to this authorization request"):
        client().exchange_code(request, url)


def test_a_source_type_without_revocation_confirms_none():
    assert client().revoke("canary") is False
