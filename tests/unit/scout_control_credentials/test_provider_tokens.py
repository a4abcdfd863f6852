"""JSON Web Tokens of a provider: which are accepted, and what an attacker may write."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from joserfc import jwk, jws, jwt
from scout_control.credentials import provider_tokens
from scout_control.credentials.provider_tokens import InvalidTokenError, UnknownKeyError
from scout_control.installation.openid_settings import OpenIDSettings

NOW = 1_800_000_000.0
SETTINGS = OpenIDSettings(issuer="https://id.example.org", client_id="scout", audience="api")
KEYS = {
    "RS256": jwk.generate_key("RSA", 2048, {"kid": "r"}),
    "PS256": jwk.generate_key("RSA", 2048, {"kid": "p"}),
    "ES256": jwk.generate_key("EC", "P-256", {"kid": "e"}),
    "Ed25519": jwk.generate_key("OKP", "Ed25519", {"kid": "o"}),
}
CLAIMS = {"iss": SETTINGS.issuer, "aud": "api", "sub": "7", "exp": NOW + 60, "iat": NOW}
PUBLIC = {"keys": [key.as_dict(private=False) for key in KEYS.values()]}
USABLE = provider_tokens.usable_keys(PUBLIC)


WEAK = {"kty": "RSA", "kid": "w", "e": "AQAB", "n": "u" * 171}


def signed(claims=None, *, algorithm="RS256", key=None, **header):
    key = key or KEYS[algorithm]
    header = {"alg": algorithm, "kid": key.kid} | header
    header = {name: value for name, value in header.items() if value is not None}
    return jwt.encode(header, CLAIMS | (claims or {}), key, algorithms=[algorithm])


def encoded(value):
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def refusal(token, keys=None):
    """Return why a token is refused."""
    with pytest.raises(InvalidTokenError) as raised:
        provider_tokens.verify(token, USABLE if keys is None else keys, SETTINGS, NOW)
    return str(raised.value)


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("kid", ["its own", None])
def test_a_token_that_a_published_key_signed_is_accepted(algorithm, kid):
    token = signed(algorithm=algorithm, **({} if kid else {"kid": None}))

    assert provider_tokens.verify(token, USABLE, SETTINGS, NOW)["sub"] == "7"


@pytest.mark.parametrize("type_", ["JWT", "at+jwt", "application/at+jwt", "AT+JWT"])
def test_the_types_of_tokens_for_programs_are_accepted(type_):
    assert provider_tokens.verify(signed(typ=type_), USABLE, SETTINGS, NOW)


@pytest.mark.parametrize("audience", ["api", ["other", "api"]])
def test_one_of_several_audiences_is_enough(audience):
    assert provider_tokens.verify(signed({"aud": audience}), USABLE, SETTINGS, NOW)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.example.org"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"iss": SETTINGS.issuer + "/"}, "issuer"),
        ({"aud": "scout"}, "audience"),
        ({"aud": ["other"]}, "audience"),
        ({"aud": {"api": 1}}, "audience"),
        ({"aud": None}, "audience"),
        ({"exp": NOW - provider_tokens.LEEWAY_SECONDS}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "9999999999"}, "exp"),
        ({"exp": True}, "exp"),
        ({"nbf": NOW + 120}, "not yet valid"),
        ({"iat": NOW + 120}, "not yet valid"),
    ],
)
def test_claims_that_say_otherwise_are_refused(claims, reason):
    assert refusal(signed(claims)) == reason


@pytest.mark.parametrize("missing", ["iss", "aud", "exp"])
def test_what_a_token_does_not_say_is_not_assumed(missing):
    claims = {name: value for name, value in CLAIMS.items() if name != missing}
    key = KEYS["RS256"]

    assert refusal(jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key))


def test_without_a_signature_no_token_is_accepted():
    for algorithm in ("none", "None", "NONE", ""):
        head, body = encoded({"alg": algorithm, "typ": "JWT"}), encoded(CLAIMS)
        assert refusal(f"{head}.{body}.") == "algorithm"


def test_a_public_key_is_no_secret_to_sign_with():
    public = KEYS["RS256"]
    for secret in (public.as_pem(private=False), json.dumps(public.as_dict()).encode()):
        signing = f"{encoded({'alg': 'HS256', 'kid': public.kid})}.{encoded(CLAIMS)}"
        mac = hmac.new(secret, signing.encode(), hashlib.sha256).digest()

        assert refusal(f"{signing}.{encoded(mac)}") == "algorithm"


def test_the_key_in_a_token_is_not_used():
    own = jwk.generate_key("RSA", 2048, {"kid": "r"})
    token = signed(key=own, jwk=own.as_dict(private=False))

    assert refusal(token) in {"signature", "form"}  # joserfc limits the size of a header
    assert refusal(signed(key=own, jku="https://evil.example.org", kid=None)) == "signature"


def test_a_key_that_is_not_known_is_told_apart_since_it_may_be_new():
    new = jwk.generate_key("RSA", 2048, {"kid": "next"})

    with pytest.raises(UnknownKeyError):
        provider_tokens.verify(signed(key=new), USABLE, SETTINGS, NOW)


def test_a_changed_token_is_refused():
    head, body, signature = signed().split(".")

    assert refusal(f"{head}.{encoded(CLAIMS | {'sub': '8'})}.{signature}") == "signature"
    assert refusal(f"{head}.{body}.{encoded(b'x' * 256)}") == "signature"


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"typ": "logout+jwt"}, {"typ": "dpop+jwt"}])
def test_a_token_for_another_purpose_is_refused(header):
    key = KEYS["RS256"]
    signing = f"{encoded({'alg': 'RS256', 'kid': key.kid} | header)}.{encoded(CLAIMS)}"

    assert refusal(f"{signing}.{encoded(b'x' * 256)}") in {"algorithm", "type"}


@pytest.mark.parametrize(
    "token",
    ["", "..", "a.b.c", "é.é.é", "\ud800.a.b", "a.b.c.d.e", f"{'[' * 5000}.b.c", "x" * 20_000]
    + [f"{encoded(each)}.{encoded(CLAIMS)}.eA" for each in ([], "x", 1, b"\xff", {"alg": 7})],
)
def test_text_that_is_no_token_is_refused(token):
    assert refusal(token)


@pytest.mark.parametrize("payload", [b"[]", b"7", b"\xff", b"{", b"[" * 9000])
def test_content_that_is_no_claims_is_refused(payload):
    token = jws.serialize_compact({"alg": "RS256", "kid": "r"}, payload, KEYS["RS256"])

    assert refusal(token) == "signature"


def test_keys_that_cannot_verify_are_left_out_and_the_others_stay():
    private = KEYS["RS256"].as_dict(private=True)
    good = KEYS["ES256"].as_dict(private=False)
    document = {
        "keys": [
            {"kty": "oct", "k": "c2VjcmV0", "kid": "s"},
            private,
            good | {"use": "enc"},
            WEAK,
            {"kty": "RSA", "n": "!", "e": 3},
            {"kty": "new"},
            None,
            good,
        ]
    }

    assert [key.kid for key in provider_tokens.usable_keys(document)] == ["e"]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": {"a": 1}}, "keys"])
def test_a_document_without_keys_has_none(document):
    assert provider_tokens.usable_keys(document) == []


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, "nonce"),
        ({"nonce": "other"}, "nonce"),
        ({"nonce": 7}, "nonce"),
        ({"nonce": "n", "aud": "api"}, "audience"),
        ({"nonce": "n", "azp": "another client"}, "azp"),
        ({"nonce": "n", "azp": "scout"}, None),
        ({"nonce": "n"}, None),
    ],
)
def test_an_id_token_belongs_to_the_sign_in_that_began_here(claims, reason):
    token = signed({"aud": "scout"} | claims)

    def verify():
        return provider_tokens.verify_id_token(token, USABLE, SETTINGS, "n", NOW)

    if reason is None:
        assert verify()["sub"] == "7"
    else:
        with pytest.raises(InvalidTokenError, match=reason):
            verify()
