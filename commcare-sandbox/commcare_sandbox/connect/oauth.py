"""Connect's OAuth server: authorize with PKCE, token, revoke, introspect, who am I."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from commcare_sandbox.connect import guard
from commcare_sandbox.connect.context import Request, page_of_html
from commcare_sandbox.connect.logins import SCOPES, ConnectLogins, GrantError
from commcare_sandbox.wire import HTML_TYPE, Answer

_CONSENT = b'<form method="post"><button name="allow" value="Authorize">Authorize</button></form>'
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
Grant = Callable[[dict[str, str], str], dict[str, Any]]


def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.call.body.decode("utf-8", "replace"), keep_blank_values=True))


def _client(request: Request, form: dict[str, str]) -> str:
    """Return the client that asks; raises GrantError for one that is unknown."""
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, rest = request.call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(rest).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            client_id = ""
    request.connect.logins.check_client(client_id, secret)
    return client_id


def token(request: Request) -> Answer:
    """Answer at the token endpoint."""
    form, logins = _form(request), request.connect.logins
    grants: dict[str, Grant] = {
        "authorization_code": logins.by_code,
        "refresh_token": logins.by_refresh,
        "password": logins.by_password,
        "client_credentials": logins.by_client,
    }
    try:
        client_id = _client(request, form)
        grant = grants.get(form.get("grant_type", ""), _unsupported)
        body = grant(form, client_id)
    except GrantError as error:
        return _refused(error)
    return Answer(body, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def _unsupported(_form: dict[str, str], _client_id: str) -> dict[str, Any]:
    raise GrantError("unsupported_grant_type")


def _refused(error: GrantError) -> Answer:
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    if error.status == 401:
        headers["WWW-Authenticate"] = f'Bearer error="{error.body["error"]}"'
    return Answer(error.body, error.status, headers)


def authorize(request: Request) -> Answer:
    """Show the question of consent, or go back with a code when it is posted.

    The visitor counts as logged in.
    """
    asked = dict(request.call.params) | (_form(request) if request.call.method == "POST" else {})
    logins = request.connect.logins
    if asked.get("client_id") not in {logins.client_id, logins.public_client_id}:
        return page_of_html(400, "Error: invalid_request")
    back = asked.get("redirect_uri", "")
    if urlsplit(back).hostname not in _LOOPBACK:
        return page_of_html(400, "Error: invalid_request Mismatching redirect URI.")
    kept = {"state": asked["state"]} if "state" in asked else {}
    if wrong := _what_is_wrong(asked):
        return _go(back, wrong | kept)
    if request.call.method == "GET":
        return Answer(_CONSENT, content_type=HTML_TYPE)
    if not asked.get("allow"):
        return _go(back, {"error": "access_denied"} | kept)
    return _go(back, {"code": logins.authorize(asked)} | kept)


def _what_is_wrong(asked: dict[str, str]) -> dict[str, str]:
    if not asked.get("code_challenge"):
        text = "Code challenge required."
        return {"error": "invalid_request", "error_description": text}
    if set(asked.get("scope", "").split()) - set(SCOPES):
        return {"error": "invalid_scope"}
    return {}


def _go(back: str, answer: dict[str, str]) -> Answer:
    mark = "&" if urlsplit(back).query else "?"
    return Answer(b"", 302, {"Location": f"{back}{mark}{urlencode(answer)}"}, HTML_TYPE)


def revoke(request: Request) -> Answer:
    """Let a token die."""
    form = _form(request)
    try:
        _client(request, form)
    except GrantError as error:
        return _refused(error)
    request.connect.logins.revoke(form.get("token", ""))
    return Answer(b"")


def introspect(request: Request) -> Answer:
    """Tell a client about a token."""
    form = _form(request)
    if not request.call.headers.get("authorization", "").lower().startswith("basic "):
        return Answer(b"", 403, content_type=HTML_TYPE)
    try:
        _client(request, form)
    except GrantError:
        return Answer(b"", 403, content_type=HTML_TYPE)
    access = request.connect.logins.find(form.get("token", ""))
    if access is None:
        return Answer({"active": False})
    return Answer(
        {
            "active": True,
            "scope": access.scope,
            "client_id": access.client_id,
            "username": ConnectLogins.username,
        }
    )


def me(request: Request) -> Answer:
    """Tell who the user is; any token will do."""
    guard.authenticate(request, "")
    url = f"{request.connect.base_url}/connect/api/users/17/"
    return Answer({"email": ConnectLogins.username, "name": "Demo", "url": url})
