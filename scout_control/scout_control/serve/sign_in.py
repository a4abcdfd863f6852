"""Who sends a request: by the token in its ``Authorization`` header."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from scout_control.access.access import Access
from scout_control.access.identity import authenticate, not_signed_in
from scout_control.api.scout import Scout

BEARER = HTTPBearer(
    auto_error=False, description="A token, as scout tokens create --person ID makes."
)


def _access(
    request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Access:
    """Return the installation as the sender of a request may use it."""
    if sent is None:
        raise not_signed_in()
    scout: Scout = request.app.state.scout
    return Access(scout, authenticate(scout.installation, sent.credentials))


def _renewed(
    request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Callable[[], Access]:
    """Return what authenticates the sender of a request again, for one that is long answered."""
    return lambda: _access(request, sent)


Renewed = Annotated[Callable[[], Access], Depends(_renewed)]
"""The parameter of endpoints that answer for long: called, it raises once a token is revoked."""
SignedIn = Annotated[Access, Depends(_access)]
"""The parameter of every endpoint that needs someone to be signed in: all of them."""
