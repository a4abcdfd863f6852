"""Verifies JSON Web Tokens of a provider. Knows no network and no clock: both are arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from scout_control.credentials.oauth import equal_in_constant_time
from scout_control.installation.openid_settings import OpenIDSettings

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Signatures by a private key alone: with "none" or HS256, who knows a public key could sign."""
KEY_TYPES = frozenset({"RSA", "EC", "OKP"})
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""Other types, such as of a logout, are signed by the same keys and mean something else."""
MOST_BYTES = 16_000
MOST_KEYS = 100
LEEWAY_SECONDS = 60
SHORTEST_RSA_MODULUS = 342
"""The characters of 2048 bits."""
INVALID = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What joserfc raises on a token or key that anyone could have written."""

Key = Any


class InvalidTokenError(Exception):
    """A token is not one of this provider for this installation, or no longer."""


class UnknownKeyError(InvalidTokenError):
    """No known key has the id that a token names: the provider may have a new one."""


def looks_like(token: str) -> bool:
    """Return whether a token has the form of a signed JSON Web Token."""
    return token.count(".") == 2 and len(token) <= MOST_BYTES


def usable_keys(document: Any) -> list[Key]:
    """Return the keys of a JWKS document that verify signatures; others are left out."""
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list):
        return []
    return [key for each in found[:MOST_KEYS] for key in _imported(each)]


def _imported(document: Any) -> Iterator[Key]:
    if not isinstance(document, dict) or document.get("kty") not in KEY_TYPES:
        return
    if document.get("use", "sig") != "sig" or "d" in document:
        return  # a private key that was published signs for anyone
    if document["kty"] == "RSA" and len(str(document.get("n"))) < SHORTEST_RSA_MODULUS:
        return
    with suppress(*INVALID):
        yield jwk.import_key(document)


def verify(token: str, keys: list[Key], settings: OpenIDSettings, now: float) -> dict[str, Any]:
    """Return the claims of a token that was issued to a program for this installation.

    Raises:
        UnknownKeyError: None of the keys has the id that it names.
        InvalidTokenError: It is not valid.
    """
    claims = _signed_claims(token, keys)
    _check(claims, settings.issuer, settings.audience, now)
    return claims


def verify_id_token(
    token: str, keys: list[Key], settings: OpenIDSettings, nonce: str, now: float
) -> dict[str, Any]:
    """Return the claims of the ID token of a sign-in that began here.

    Raises:
        UnknownKeyError: None of the keys has the id that it names.
        InvalidTokenError: It is not valid, or belongs to another sign-in.
    """
    claims = _signed_claims(token, keys)
    _check(claims, settings.issuer, settings.client_id, now)
    sent = claims.get("nonce")
    if not isinstance(sent, str) or not equal_in_constant_time(sent, nonce):
        raise InvalidTokenError("nonce")
    if claims.get("azp", settings.client_id) != settings.client_id:
        raise InvalidTokenError("azp")
    return claims


def _signed_claims(token: str, keys: list[Key]) -> dict[str, Any]:
    if not looks_like(token):
        raise InvalidTokenError("form")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except INVALID:
        raise InvalidTokenError("form") from None
    if header.get("alg") not in ALGORITHMS or "crit" in header:
        raise InvalidTokenError("algorithm")
    if str(header.get("typ", "jwt")).lower() not in TYPES:
        raise InvalidTokenError("type")
    return _claims_by(token, _candidates(header, keys))


def _candidates(header: Mapping[str, Any], keys: list[Key]) -> list[Key]:
    if (kid := header.get("kid")) is None:
        return keys
    found = [key for key in keys if key.kid == kid]
    if not found:
        raise UnknownKeyError("key")
    return found


def _claims_by(token: str, keys: list[Key]) -> dict[str, Any]:
    for key in keys:
        try:
            return dict(jwt.decode(token, key, algorithms=ALGORITHMS).claims)
        except INVALID:
            continue
    raise InvalidTokenError("signature")


def _check(claims: Mapping[str, Any], issuer: str, audience: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise InvalidTokenError("issuer")
    found = claims.get("aud")
    if audience not in (found if isinstance(found, list) else [found]):
        raise InvalidTokenError("audience")
    if not now - LEEWAY_SECONDS < _moment(claims, "exp", -1):
        raise InvalidTokenError("expired")
    if max(_moment(claims, "nbf", 0), _moment(claims, "iat", 0)) > now + LEEWAY_SECONDS:
        raise InvalidTokenError("not yet valid")


def _moment(claims: Mapping[str, Any], name: str, default: float) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidTokenError(name)
    return float(value)
