"""HQ's OAuth token endpoints: rotating refresh tokens, access tokens of 15 minutes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from commcare_sandbox.hq.consent import form_of
from commcare_sandbox.hq.context import HQ
from commcare_sandbox.http_types import HTTPError, Request, Response

Form = Mapping[str, str]
_NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def token(request: Request, hq: HQ) -> Response:
    """Exchange a code or a refresh token for an access token and the next refresh token."""
    form = form_of(request)
    _check_client(request, hq, form)
    grant = _GRANTS.get(form.get("grant_type", ""))
    if grant is None:
        raise HTTPError(400, {"error": "unsupported_grant_type"})
    found = grant(form, hq)
    if found is None:
        raise HTTPError(400, {"error": "invalid_grant"})
    return Response(found, headers=dict(_NOT_KEPT))


def revoke(request: Request, hq: HQ) -> Response:
    """Revoke a token."""
    form = form_of(request)
    _check_client(request, hq, form)
    hq.credentials.revoke(form.get("token", ""))
    return Response()


def _by_code(form: Form, hq: HQ) -> dict[str, Any] | None:
    verifier = form.get("code_verifier", "")
    scope = hq.sessions.redeem_code(form.get("code", ""), form.get("redirect_uri", ""), verifier)
    if scope is None:
        return None
    seconds = hq.switches.access_token_seconds
    access, refresh = hq.credentials.issue(seconds, scope)
    return _tokens(access, refresh, seconds, scope)


def _by_refresh(form: Form, hq: HQ) -> dict[str, Any] | None:
    seconds = hq.switches.access_token_seconds
    renewed = hq.credentials.renew(form.get("refresh_token", ""), seconds)
    return None if renewed is None else _tokens(renewed[0], renewed[1], seconds, renewed[2])


_GRANTS: Mapping[str, Callable[[Form, HQ], dict[str, Any] | None]] = {
    "authorization_code": _by_code,
    "refresh_token": _by_refresh,
}


def _tokens(access: str, refresh: str, seconds: int, scope: str) -> dict[str, Any]:
    return {
        "access_token": access,
        "expires_in": seconds,
        "token_type": "Bearer",
        "scope": scope,
        "refresh_token": refresh,
    }


def _check_client(request: Request, hq: HQ, form: Form) -> None:
    if not hq.credentials.accepts_client(*_client(request, form)):
        raise HTTPError(401, {"error": "invalid_client"})


def _client(request: Request, form: Form) -> tuple[str, str]:
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(rest).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return name, secret
    return form.get("client_id", ""), form.get("client_secret", "")
