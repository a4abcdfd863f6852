"""What a person sees who connects a program to HQ: the login page, then the question of consent."""

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
_SESSION, _MARK = "sessionid", "csrfmiddlewaretoken"
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
_LOGIN = """<p>{told}</p>
<form method="post" action="{action}">
<p><label>Username <input name="username" value="{username}"></label></p>
<p><label>Password <input name="password" type="password" value="{password}"></label></p>
<button type="submit" name="login" value="Log In">Log In</button>
</form>
<p>This is the sandbox: its one account is filled in.</p>"""
_QUESTION = """<p>A program asks to read what {username} can see, with the scope: {scope}.</p>
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
    """Show the login page, or let somebody in who knows the password."""
    after = request.get("next") or AUTHORIZE
    if request.method != "POST":
        return _login_page(hq, after)
    form = form_of(request)
    if not hq.logins.accepts_password(form.get("username", ""), form.get("password", "")):
        return _login_page(hq, after, "Your username or password was incorrect.")
    if not after.startswith("/") or after.startswith("//"):
        after = AUTHORIZE
    cookie = f"{_SESSION}={hq.sessions.enter()}; Path=/; HttpOnly; SameSite=Lax"
    return Response(b"", 302, {"Location": after, "Set-Cookie": cookie}, HTML_TYPE)


def authorize(request: Request, hq: HQ) -> Response:
    """Ask the person who is logged in, and send them back with what they said."""
    mark = hq.sessions.mark(_session(request))
    if mark is None:
        query = urlencode({"next": f"{request.path}?{urlencode(request.params)}"})
        return Response(b"", 302, {"Location": f"{LOGIN}?{query}"}, HTML_TYPE)
    asked = form_of(request) if request.method == "POST" else dict(request.params)
    if wrong := _nowhere_to_go(asked, hq):
        return _page("Error: invalid_request", f"<p>{wrong}</p>", 400)
    if refused := _what_is_wrong(asked, needs_challenge=hq.switches.pkce_required):
        return _go(asked, refused)
    if request.method != "POST":
        return _question(asked, mark, hq)
    if not compare_digest(asked.get(_MARK, "").encode(), mark.encode()):
        return _page("Forbidden", "<p>CSRF verification failed.</p>", 403)
    return _go(asked, _decision(asked, hq))


def _nowhere_to_go(asked: Mapping[str, str], hq: HQ) -> str:
    if asked.get("client_id") != hq.logins.account.client_id:
        return "Invalid client_id parameter value."
    if not is_registered(asked.get("redirect_uri", ""), hq.switches.redirect_uris.split()):
        return "Mismatching redirect URI."
    return ""


def _decision(asked: Mapping[str, str], hq: HQ) -> dict[str, str]:
    if not asked.get("allow"):
        return {"error": "access_denied"}
    code = hq.sessions.allow(
        asked["redirect_uri"],
        asked.get("scope") or SCOPE,
        asked.get("code_challenge", ""),
        asked.get("code_challenge_method") or "plain",
    )
    return {"code": code}


def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form that was posted."""
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def is_registered(uri: str, registered: list[str]) -> bool:
    """Tell whether an address is one of the registered ones, letter by letter.

    One on a loopback address that is registered without a port may have any.
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


def _what_is_wrong(asked: Mapping[str, str], *, needs_challenge: bool) -> dict[str, str]:
    if asked.get("response_type") != "code":
        return {"error": "unsupported_response_type"}
    if set(asked.get("scope", "").split()) - SCOPES:
        return {"error": "invalid_scope"}
    if needs_challenge and not asked.get("code_challenge"):
        return {"error": "invalid_request", "error_description": "Code challenge required."}
    if (asked.get("code_challenge_method") or "plain") not in _CHALLENGES:
        text = "Transform algorithm not supported."
        return {"error": "invalid_request", "error_description": text}
    return {}


def _session(request: Request) -> str:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(_SESSION)
    except CookieError:
        return ""
    return found.value if found else ""


def _login_page(hq: HQ, after: str, told: str = "Log in to CommCare HQ.") -> Response:
    account = hq.logins.account
    body = _LOGIN.format(
        told=told,
        action=html.escape(f"{LOGIN}?{urlencode({'next': after})}"),
        username=account.username,
        password=account.password,
    )
    return _page("Log In", body)


def _question(asked: Mapping[str, str], mark: str, hq: HQ) -> Response:
    fields = {_MARK: mark} | {name: asked[name] for name in _KEPT if name in asked}
    body = _QUESTION.format(
        username=hq.logins.account.username,
        scope=html.escape(asked.get("scope") or SCOPE),
        back=html.escape(asked["redirect_uri"]),
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


def _go(asked: Mapping[str, str], response: Mapping[str, str]) -> Response:
    back = asked["redirect_uri"]
    said = {**response, "state": asked["state"]} if "state" in asked else response
    joint = "&" if urlsplit(back).query else "?"
    return Response(b"", 302, {"Location": f"{back}{joint}{urlencode(said)}"}, HTML_TYPE)
