"""``/account/``: a person's own tokens, and the browsers in which they are signed in."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from scout_control.errors import ControlError, ForbiddenError
from scout_control.rules.access_tokens import VALID
from scout_control.serve import errors
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visit, Visitor

router = APIRouter(include_in_schema=False)
MOST = 200
PERIODS = {"30d": "30 days", "90d": "90 days", "365d": "a year", "never": "never"}
METHODS = {
    "link": "with a link",
    "token": "with a token",
    "openid": "at your organisation",
}


@router.get("/account/")
def show(request: Request, visit: Visitor) -> Response:
    """Show the account of the person."""
    return _page(request, visit)


@router.post("/account/tokens/")
def create_token(request: Request, visit: Visitor) -> Response:
    """Make a token, and show it: this once."""
    form = visit.form
    try:
        made = visit.access.tokens.create(
            name=form.get("name", "").strip(),
            scope=form.get("scope", ""),
            expires=form.get("expires", ""),
        )
    except ForbiddenError:
        raise
    except ControlError as error:
        return _page(request, visit, error=error)
    return _page(request, visit, new_token=made.token)


@router.post("/account/tokens/revoke/")
def revoke_token(visit: Visitor) -> Response:
    """End a token."""
    visit.access.tokens.revoke(visit.form.get("token", ""))
    return RedirectResponse("/account/", status_code=303)


@router.post("/account/sessions/end/")
def end_others(visit: Visitor) -> Response:
    """Sign the person out of all other browsers."""
    visit.access.sessions.end(keep=visit.session)
    return RedirectResponse("/account/", status_code=303)


def _page(
    request: Request,
    visit: Visit,
    *,
    new_token: str | None = None,
    error: ControlError | None = None,
) -> Response:
    access = visit.access
    tokens = access.tokens.list(limit=MOST).items
    return page(
        request,
        "account.html",
        visit=visit,
        status=200 if error is None else errors.status(error),
        me=access.people.me(),
        tokens=[each for each in tokens if each.status == VALID],
        ended=sum(each.status != VALID for each in tokens),
        sessions=access.sessions.list(),
        methods=METHODS,
        periods=PERIODS,
        may_create=visit.grants.may("tokens.create", user=visit.person),
        may_revoke=visit.grants.may("tokens.revoke", user=visit.person),
        may_end=visit.grants.may("sessions.end", user=visit.person),
        new_token=new_token,
        error=error,
    )
