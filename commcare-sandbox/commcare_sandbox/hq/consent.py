"""The pages of HQ's OAuth flow: login, then consent."""

from __future__ import annotations

import html
from collections.abc import Mapping
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from commcare_sandbox.hq.context import HQ
from commcare_sandbox.hq.credentials import SCOPE, SCOPES
from commcare_sandbox.http_types import HTML_TYPE, Request, Response

LOGIN, AUTHORIZE = "/accounts/login/", "/oauth/authorize/"
_SESSION, _CSRF_FIELD = "sessionid", "csrfmiddlewaretoken"
_ANY_PORT = ("127.0.0.1", "::1")
_CHALLENGES = ("S256", "plain")
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<style>
body{{font: 1.1em sans-serif; max-width: 32em; margin: 4em auto}}
input, button{{font: inherit}}
</style>
</head>
<body><h1>{title}</h1>
{body}
</body>
</html>
"""
_LOGIN = """<p>{message}</p>
<form method="post" action="{action}">
<p><label>Username <input name="username" value="{username}"></label></p>
<p><label>Password <input name="password" type="password" value="{password}"></label></p>
<button type="submit" name="login" value="Log In">Log In</button>
</form>
<p>This is the sandbox; its only account is filled in.</p>"""
_QUESTION = """<p>An application requests access to the data of {username},
with the scope: {scope}.</p>
<p>You will be sent back to {back}.</p>
<form method="post" id="authorizationForm">
{hidden}
<button type="submit" name="cancel" value="Cancel">Cancel</button>
<button type="submit" name="allow" value="Authorize">Authorize</button>
</form>"""
_KEPT = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)


def log_in(request: Request, hq: HQ) -> Response:
    """Show the login page, or start a session if the password is correct."""
    after = request.get("next") or AUTHORIZE
    if request.method != "POST":
        return _login_page(hq, after)
    form = form_of(request)
    if not hq.credentials.accepts_password(form.get("username", ""), form.get("password", "")):
        return _login_page(hq, after, "Your username or password was incorrect.")
    if not after.startswith("/") or after.startswith("//"):
        after = AUTHORIZE
    cookie = f"{_SESSION}={hq.sessions.start_session()}; Path=/; HttpOnly; SameSite=Lax"
    return Response(b"", 302, {"Location": after, "Set-Cookie": cookie}, HTML_TYPE)


def authorize(request: Request, hq: HQ) -> Response:
    """Show the consent page, or redirect back with the user's decision."""
    csrf_token = hq.sessions.csrf_token(_session(request))
    if csrf_token is None:
        query = urlencode({"next": f"{request.path}?{urlencode(request.params)}"})
        return Response(b"", 302, {"Location": f"{LOGIN}?{query}"}, HTML_TYPE)
    params = form_of(request) if request.method == "POST" else dict(request.params)
    if wrong := _invalid_client(params, hq):
        return _page("Error: invalid_request", f"<p>{wrong}</p>", 400)
    if refused := _error_of(params, needs_challenge=hq.switches.pkce_required):
        return _redirect(params, refused)
    if request.method != "POST":
        return _question(params, csrf_token, hq)
    if not compare_digest(params.get(_CSRF_FIELD, "").encode(), csrf_token.encode()):
        return _page("Forbidden", "<p>CSRF verification failed.</p>", 403)
    return _redirect(params, _decision(params, hq))


def _invalid_client(params: Mapping[str, str], hq: HQ) -> str:
    if params.get("client_id") != hq.credentials.account.client_id:
        return "Invalid client_id parameter value."
    if not is_registered(params.get("redirect_uri", ""), hq.switches.redirect_uris.split()):
        return "Mismatching redirect URI."
    return ""


def _decision(params: Mapping[str, str], hq: HQ) -> dict[str, str]:
    if not params.get("allow"):
        return {"error": "access_denied"}
    code = hq.sessions.issue_code(
        params["redirect_uri"],
        params.get("scope") or SCOPE,
        params.get("code_challenge", ""),
        params.get("code_challenge_method") or "plain",
    )
    return {"code": code}


def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a submitted HTML form."""
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def is_registered(uri: str, registered: list[str]) -> bool:
    """Return whether a redirect URI is registered; the match is exact.

    A loopback URI registered without a port matches any port.
    """
    return uri in registered or _without_port(uri) in registered


def _without_port(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        if parts.scheme != "http" or parts.hostname not in _ANY_PORT or parts.port is None:
            return ""
    except ValueError:
        return ""
    return parts._replace(netloc=parts.netloc.removesuffix(f":{parts.port}")).geturl()


def _error_of(params: Mapping[str, str], *, needs_challenge: bool) -> dict[str, str]:
    if params.get("response_type") != "code":
        return {"error": "unsupported_response_type"}
    if set(params.get("scope", "").split()) - SCOPES:
        return {"error": "invalid_scope"}
    if needs_challenge and not params.get("code_challenge"):
        return {"error": "invalid_request", "error_description": "Code challenge required."}
    if (params.get("code_challenge_method") or "plain") not in _CHALLENGES:
        text = "Transform algorithm not supported."
        return {"error": "invalid_request", "error_description": text}
    return {}


def _session(request: Request) -> str:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(_SESSION)
    except CookieError:
        return ""
    return found.value if found else ""


def _login_page(hq: HQ, after: str, message: str = "Log in to CommCare HQ.") -> Response:
    account = hq.credentials.account
    body = _LOGIN.format(
        message=message,
        action=html.escape(f"{LOGIN}?{urlencode({'next': after})}"),
        username=account.username,
        password=account.password,
    )
    return _page("Log In", body)


def _question(params: Mapping[str, str], csrf_token: str, hq: HQ) -> Response:
    fields = {_CSRF_FIELD: csrf_token} | {name: params[name] for name in _KEPT if name in params}
    body = _QUESTION.format(
        username=hq.credentials.account.username,
        scope=html.escape(params.get("scope") or SCOPE),
        back=html.escape(params["redirect_uri"]),
        hidden="\n".join(
            f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
            for name, value in fields.items()
        ),
    )
    return _page("Authorize access", body)


def _page(title: str, body: str, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY"}
    page = _PAGE.format(title=title, body=body).encode()
    return Response(page, status, headers, HTML_TYPE)


def _redirect(params: Mapping[str, str], response: Mapping[str, str]) -> Response:
    back = params["redirect_uri"]
    said = {**response, "state": params["state"]} if "state" in params else response
    joint = "&" if urlsplit(back).query else "?"
    return Response(b"", 302, {"Location": f"{back}{joint}{urlencode(said)}"}, HTML_TYPE)
