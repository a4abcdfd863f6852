"""Connect's OAuth server: authorize with PKCE, token, revoke, introspect, who am I."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from commcare_sandbox.connect import auth
from commcare_sandbox.connect.context import Context, page_of_html
from commcare_sandbox.connect.credentials import SCOPES, ConnectCredentials, GrantError
from commcare_sandbox.http_types import HTML_TYPE, Response

_CONSENT = b'<form method="post"><button name="allow" value="Authorize">Authorize</button></form>'
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
Grant = Callable[[dict[str, str], str], dict[str, Any]]


def _form(context: Context) -> dict[str, str]:
    return dict(parse_qsl(context.request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _client(context: Context, form: dict[str, str]) -> str:
    """Return the client that asks; raises GrantError for one that is unknown."""
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, rest = context.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(rest).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            client_id = ""
    context.connect.logins.check_client(client_id, secret)
    return client_id


def token(context: Context) -> Response:
    """Answer at the token endpoint."""
    form, logins = _form(context), context.connect.logins
    grants: dict[str, Grant] = {
        "authorization_code": logins.by_code,
        "refresh_token": logins.by_refresh,
        "password": logins.by_password,
        "client_credentials": logins.by_client,
    }
    try:
        client_id = _client(context, form)
        grant = grants.get(form.get("grant_type", ""), _unsupported)
        body = grant(form, client_id)
    except GrantError as error:
        return _refused(error)
    return Response(body, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def _unsupported(_form: dict[str, str], _client_id: str) -> dict[str, Any]:
    raise GrantError("unsupported_grant_type")


def _refused(error: GrantError) -> Response:
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    if error.status == 401:
        headers["WWW-Authenticate"] = f'Bearer error="{error.body["error"]}"'
    return Response(error.body, error.status, headers)


def authorize(context: Context) -> Response:
    """Show the question of consent, or go back with a code when it is posted.

    The visitor counts as logged in.
    """
    request, logins = context.request, context.connect.logins
    asked = dict(request.params) | (_form(context) if request.method == "POST" else {})
    if asked.get("client_id") not in {logins.client_id, logins.public_client_id}:
        return page_of_html(400, "Error: invalid_request")
    back = asked.get("redirect_uri", "")
    if urlsplit(back).hostname not in _LOOPBACK:
        return page_of_html(400, "Error: invalid_request Mismatching redirect URI.")
    kept = {"state": asked["state"]} if "state" in asked else {}
    if wrong := _what_is_wrong(asked):
        return _go(back, wrong | kept)
    if request.method == "GET":
        return Response(_CONSENT, content_type=HTML_TYPE)
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


def _go(back: str, response: dict[str, str]) -> Response:
    mark = "&" if urlsplit(back).query else "?"
    return Response(b"", 302, {"Location": f"{back}{mark}{urlencode(response)}"}, HTML_TYPE)


def revoke(context: Context) -> Response:
    """Let a token die."""
    form = _form(context)
    try:
        _client(context, form)
    except GrantError as error:
        return _refused(error)
    context.connect.logins.revoke(form.get("token", ""))
    return Response(b"")


def introspect(context: Context) -> Response:
    """Tell a client about a token."""
    form = _form(context)
    if not context.request.headers.get("authorization", "").lower().startswith("basic "):
        return Response(b"", 403, content_type=HTML_TYPE)
    try:
        _client(context, form)
    except GrantError:
        return Response(b"", 403, content_type=HTML_TYPE)
    access = context.connect.logins.find(form.get("token", ""))
    if access is None:
        return Response({"active": False})
    return Response(
        {
            "active": True,
            "scope": access.scope,
            "client_id": access.client_id,
            "username": ConnectCredentials.username,
        }
    )


def me(context: Context) -> Response:
    """Tell who the user is; any token will do."""
    auth.authenticate(context, "")
    url = f"{context.connect.base_url}/connect/api/users/17/"
    return Response({"email": ConnectCredentials.username, "name": "Demo", "url": url})
