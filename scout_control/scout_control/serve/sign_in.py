"""Who sends a request: by the token in its ``Authorization`` header, or by the cookie of a session.

Browsers send cookies with requests that other sites caused. So a request that changes something and
has a cookie must come from our own page, and carry the token that only our pages have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from scout_control.access import sign_in
from scout_control.access.access import Access
from scout_control.access.identity import Identity, authenticate, not_signed_in
from scout_control.api.scout import Scout
from scout_control.errors import ForbiddenError
from scout_control.rules.own_pages import SAFE_METHODS, is_from_here
from scout_control.rules.sessions import is_form_token
from scout_control.serve import cookies
from scout_control.serve.hosting import own_origins
from scout_control.serve.parameters import check_document, check_query, is_json

BEARER = HTTPBearer(
    auto_error=False, description="A token, as scout tokens create --person ID makes."
)
TOKEN_HEADER, TOKEN_FIELD = "X-CSRF-Token", "csrf_token"
REMEDY = "Reload the page, and try again. Programs send a token: Authorization: Bearer TOKEN."


def scout_of(request: Request) -> Scout:
    """Return the installation of the application that answers a request."""
    scout: Scout = request.app.state.scout
    return scout


async def _document(request: Request) -> bytes:
    """Return the body of a request, if it is JSON; of a form, only the framework reads it."""
    return await request.body() if is_json(request.headers.get("content-type", "")) else b""


def _access(
    request: Request,
    sent: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    document: Annotated[bytes, Depends(_document)] = b"",
) -> Access:
    """Return the installation as the sender of a request may use it."""
    identity = _identity(request, sent)
    request.state.person = identity.person
    check_query(request)  # after the sign-in: who has none is told only that
    check_document(document)
    return Access(scout_of(request), identity)


def _identity(request: Request, sent: HTTPAuthorizationCredentials | None) -> Identity:
    installation = scout_of(request).installation
    if "authorization" in request.headers:  # never a cookie beside it
        if sent is None:
            raise not_signed_in()
        found = authenticate(installation, sent.credentials)
        request.state.browser = sent.credentials
        return found
    secret = cookies.get(request, cookies.SESSION)
    if secret is None:
        raise not_signed_in()
    session = sign_in.resume(installation, secret)
    if request.method not in SAFE_METHODS:
        check_form(request, secret, request.headers.get(TOKEN_HEADER, ""))
    request.state.browser = secret
    return session.identity


def check_sign_in(request: Request) -> None:
    """Check that someone who is signed in sends a request that no endpoint answers.

    Raises:
        NotSignedInError: No one is.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    is_bearer = scheme.lower() == "bearer" and token
    sent = HTTPAuthorizationCredentials(scheme=scheme, credentials=token) if is_bearer else None
    _identity(request, sent)


def check_form(request: Request, secret: str, sent: str) -> None:
    """Refuse what our own page did not send.

    Args:
        request: The request.
        secret: The value of the cookie that the token of our forms is derived from.
        sent: The token that was sent.

    Raises:
        ForbiddenError: Another site sent it, or the token is missing or another one.
    """
    headers = request.headers
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if not is_from_here(origin, site, own_origins(request)):
        raise ForbiddenError("The request was sent by another site.", REMEDY)
    if not is_form_token(secret, sent):
        raise ForbiddenError("The request has no valid token of a form.", REMEDY)


def _renewed(
    request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Callable[[], Access]:
    """Return what authenticates the sender of a request again, for one that is long answered."""
    return lambda: _access(request, sent)


Renewed = Annotated[Callable[[], Access], Depends(_renewed)]
"""The parameter of endpoints that answer for long: called, it raises once a token is revoked."""
SignedIn = Annotated[Access, Depends(_access)]
"""The parameter of every endpoint that needs someone to be signed in: all of them."""
