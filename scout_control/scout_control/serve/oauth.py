"""``/api/datasources/oauth/``: connecting an account at a source, in a browser.

What begins is bound to the session, or to the token of a program: the same has to complete it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from scout_control.access import connect
from scout_control.access.access import Access
from scout_control.errors import ForbiddenError
from scout_control.rules.own_pages import HOME, is_typed, own_path
from scout_control.serve.hosting import public_origin
from scout_control.serve.operations import offered
from scout_control.serve.parameters import SENT_BY_OTHERS
from scout_control.serve.protection import wants_page
from scout_control.serve.sign_in import SignedIn, scout_of

PREFIX = "/api/datasources/oauth"
CALLBACK = f"{PREFIX}/callback/"
router = APIRouter(prefix=PREFIX, tags=["oauth"])
Name = Annotated[str, Query(max_length=500)]


class Start(BaseModel):
    """What to connect."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, Field(max_length=500)]
    project: Annotated[str | None, Field(max_length=500)] = None
    """Who is to own the credential; by default the person."""
    next: Annotated[str | None, Field(max_length=2000)] = None
    """The path to which the browser goes afterwards."""


class Started(BaseModel):
    """Where to send the browser."""

    authorization_url: str
    redirect_uri: str


@router.post("/start/", **offered("credentials.authorization_request", changes=True))
def start(request: Request, access: SignedIn, body: Start) -> Started:
    """Begin to connect an account; send the browser to `authorization_url` within 10 minutes."""
    return _begin(request, access, body)


@router.get("/start/", include_in_schema=False)
def start_in_browser(
    request: Request,
    access: SignedIn,
    source: Name,
    project: Annotated[str | None, Query(max_length=500)] = None,
    next_page: Annotated[str | None, Query(alias="next", max_length=2000)] = None,
) -> Response:
    """Begin to connect an account, and send the browser there."""
    if not is_typed(request.headers.get("sec-fetch-site")):
        raise ForbiddenError("Another site sent you here.", "Connect the account from our page.")
    begun = _begin(request, access, Start(source=source, project=project, next=next_page))
    return RedirectResponse(begun.authorization_url, status_code=303)


_COMPLETE = offered("credentials.complete_authorization", changes=True)
_COMPLETE["openapi_extra"] |= {SENT_BY_OTHERS: True}


@router.get("/callback/", **_COMPLETE, response_model=None)
def complete(request: Request, access: SignedIn) -> Response:
    """Complete what `start` began: the source sends the browser here."""
    url = f"{public_origin(request)}{CALLBACK}?{request.url.query}"
    installation = scout_of(request).installation
    done = connect.complete(installation, access, request.state.browser, url)
    if wants_page(request):
        return RedirectResponse(done.next_page, status_code=303)
    return JSONResponse(done.credential.as_dict())


def _begin(request: Request, access: Access, body: Start) -> Started:
    redirect_uri = public_origin(request) + CALLBACK
    url = connect.begin(
        scout_of(request).installation,
        access,
        request.state.browser,
        body.source,
        project=body.project,
        redirect_uri=redirect_uri,
        next_page=own_path(body.next) if body.next else HOME,
    )
    return Started(authorization_url=url, redirect_uri=redirect_uri)
