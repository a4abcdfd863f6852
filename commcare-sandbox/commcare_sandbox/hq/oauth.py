"""OAuth of HQ: refresh tokens rotate, access tokens live 15 minutes."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qsl

from commcare_sandbox.hq.context import HQ
from commcare_sandbox.hq.logins import SCOPE
from commcare_sandbox.wire import Answer, Call, RefusalError


def token(call: Call, hq: HQ) -> Answer:
    """Exchange a refresh token for an access token and the next refresh token."""
    form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
    client_id, client_secret = _client(call, form)
    logins = hq.logins
    if not logins.accepts_client(client_id, client_secret):
        raise RefusalError(401, {"error": "invalid_client"})
    if form.get("grant_type") != "refresh_token":
        raise RefusalError(400, {"error": "unsupported_grant_type"})
    if form.get("refresh_token") != logins.refresh_token:
        raise RefusalError(400, {"error": "invalid_grant"})
    seconds = hq.switches.access_token_seconds
    access, refresh = logins.issue(seconds)
    return Answer(
        {
            "access_token": access,
            "expires_in": seconds,
            "token_type": "Bearer",
            "scope": SCOPE,
            "refresh_token": refresh,
        },
        headers={"Cache-Control": "no-store", "Pragma": "no-cache"},
    )


def revoke(call: Call, hq: HQ) -> Answer:
    """Let a refresh token die."""
    form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
    if not hq.logins.accepts_client(*_client(call, form)):
        raise RefusalError(401, {"error": "invalid_client"})
    if form.get("token") == hq.logins.refresh_token:
        hq.logins.end_refresh_token()
    return Answer()


def _client(call: Call, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, rest = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(rest).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return name, secret
    return form.get("client_id", ""), form.get("client_secret", "")
