"""``/api/session/``: who is signed in here, for scripts of our own page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from scout_control.access import sign_in
from scout_control.errors import NotSignedInError
from scout_control.rules.sessions import form_token
from scout_control.serve import cookies
from scout_control.serve.sign_in import SignedIn, scout_of

router = APIRouter(prefix="/api/session", include_in_schema=False)


class CurrentSession(BaseModel):
    """The session of this browser."""

    person: str
    scope: str
    csrf_token: str
    """To be sent with all that changes something, as the header `X-CSRF-Token`."""


def _secret(request: Request, _access: SignedIn) -> str:
    secret = cookies.get(request, cookies.SESSION)
    if secret is None or "authorization" in request.headers:
        raise NotSignedInError("This is no session of a browser.", "Sign in on the page.")
    return secret


Secret = Annotated[str, Depends(_secret)]


@router.get("/")
def show_session(access: SignedIn, secret: Secret) -> CurrentSession:
    """Show who is signed in."""
    identity = access.identity
    return CurrentSession(
        person=identity.person,
        scope=sign_in.SCOPE_NAMES[identity.scope],
        csrf_token=form_token(secret),
    )


@router.delete("/", status_code=204)
def end_session(request: Request, secret: Secret, response: Response) -> None:
    """Sign out."""
    sign_in.sign_out(scout_of(request).installation, secret)
    cookies.remove(request, response, cookies.SESSION)
