"""The two cookies: of a session, and of a browser that is not signed in yet.

The latter gives forms a token before there is a session, and binds a sign-in at a provider to the
browser that began it. Neither can be read by scripts, nor is sent by forms of other sites.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from scout_control.rules.sessions import MOST_CHARACTERS, RANDOM_BYTES
from scout_control.serve.hosting import hosting_of, is_secure

if TYPE_CHECKING:
    from fastapi import Request, Response

SESSION, BROWSER = "scout-session", "scout-browser"


def get(request: Request, kind: str) -> str | None:
    """Return the value of a cookie; None without one, or if there are several of this name.

    Without TLS, a page of another port of this machine can plant one that is sent beside ours: its
    session must not pass for that of the person.
    """
    name = _name(request, kind)
    parts = [each for text in request.headers.getlist("cookie") for each in text.split(";")]
    if sum(each.partition("=")[0].strip() == name for each in parts) != 1:
        return None
    value = request.cookies.get(name)
    return value if value and len(value) <= MOST_CHARACTERS else None


def put(request: Request, response: Response, kind: str, value: str) -> None:
    """Let the browser keep a cookie until it is closed."""
    response.set_cookie(
        _name(request, kind),
        value,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )


def remove(request: Request, response: Response, kind: str) -> None:
    """Let the browser forget a cookie."""
    response.delete_cookie(
        _name(request, kind), path="/", secure=is_secure(request), httponly=True, samesite="lax"
    )


def new_value() -> str:
    """Return a value that no one can guess."""
    return secrets.token_urlsafe(RANDOM_BYTES)


def _name(request: Request, kind: str) -> str:
    """Return the name of a cookie.

    With ``__Host-`` a browser takes it by TLS and from this very host only. Without TLS, all ports
    of a machine share their cookies: each installation has its own.
    """
    if is_secure(request):
        return f"__Host-{kind}"
    return f"{kind}-{hosting_of(request).port}"
