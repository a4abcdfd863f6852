"""Connect's OAuth endpoints: authorize (PKCE), token, revoke, introspect, and users/me."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from commcare_sandbox.connect import auth
from commcare_sandbox.connect.context import Context, html_page
from commcare_sandbox.connect.credentials import SCOPES, ConnectCredentials, GrantError
from commcare_sandbox.http_types import HTML_TYPE, Response

_CONSENT = b'<form method="post"><button name="allow" value="Authorize">Authorize</button></form>'
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
Grant = Callable[[dict[str, str], str], dict[str, Any]]


def _form(context: Context) -> dict[str, str]:
    return dict(parse_qsl(context.request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _client(context: Context, form: dict[str, str]) -> str:
    """Return the authenticated client id; raises GrantError if it is unknown."""
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, rest = context.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(rest).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            client_id = ""
    context.connect.credentials.check_client(client_id, secret)
    return client_id


def token(context: Context) -> Response:
    """Handle the token endpoint."""
    form, credentials = _form(context), context.connect.credentials
    grants: dict[str, Grant] = {
        "authorization_code": credentials.by_code,
        "refresh_token": credentials.by_refresh,
        "password": credentials.by_password,
        "client_credentials": credentials.by_client,
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
    """Show the consent page, or redirect with a code once it is submitted.

    The user is always logged in.
    """
    request, credentials = context.request, context.connect.credentials
    params = dict(request.params) | (_form(context) if request.method == "POST" else {})
    if params.get("client_id") not in {
        credentials.client_id,
        credentials.public_client_id,
    }:
        return html_page(400, "Error: invalid_request")
    redirect_uri = params.get("redirect_uri", "")
    if urlsplit(redirect_uri).hostname not in _LOOPBACK:
        return html_page(400, "Error: invalid_request Mismatching redirect URI.")
    kept = {"state": params["state"]} if "state" in params else {}
    if wrong := _error_of(params):
        return _redirect(redirect_uri, wrong | kept)
    if request.method == "GET":
        return Response(_CONSENT, content_type=HTML_TYPE)
    if not params.get("allow"):
        return _redirect(redirect_uri, {"error": "access_denied"} | kept)
    return _redirect(redirect_uri, {"code": credentials.authorize(params)} | kept)


def _error_of(params: dict[str, str]) -> dict[str, str]:
    if not params.get("code_challenge"):
        text = "Code challenge required."
        return {"error": "invalid_request", "error_description": text}
    if set(params.get("scope", "").split()) - set(SCOPES):
        return {"error": "invalid_scope"}
    return {}


def _redirect(redirect_uri: str, response: dict[str, str]) -> Response:
    mark = "&" if urlsplit(redirect_uri).query else "?"
    return Response(b"", 302, {"Location": f"{redirect_uri}{mark}{urlencode(response)}"}, HTML_TYPE)


def revoke(context: Context) -> Response:
    """Revoke a token."""
    form = _form(context)
    try:
        _client(context, form)
    except GrantError as error:
        return _refused(error)
    context.connect.credentials.revoke(form.get("token", ""))
    return Response(b"")


def introspect(context: Context) -> Response:
    """Return the status of a token."""
    form = _form(context)
    if not context.request.headers.get("authorization", "").lower().startswith("basic "):
        return Response(b"", 403, content_type=HTML_TYPE)
    try:
        _client(context, form)
    except GrantError:
        return Response(b"", 403, content_type=HTML_TYPE)
    access = context.connect.credentials.find(form.get("token", ""))
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
    """Return the current user; any valid token will do."""
    auth.authenticate(context, "")
    url = f"{context.connect.base_url}/connect/api/users/17/"
    return Response({"email": ConnectCredentials.username, "name": "Demo", "url": url})
