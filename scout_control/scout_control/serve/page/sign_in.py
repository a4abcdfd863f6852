"""``/sign-in/``: with a token, with a link, or at the provider; and ``/sign-out/``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from scout_control.access import openid, sign_in
from scout_control.access.sign_in import BrowserSession
from scout_control.errors import ControlError, NotSignedInError, TooManyAttemptsError
from scout_control.rules.own_pages import HOME, own_path
from scout_control.rules.sessions import MOST_CHARACTERS, form_token
from scout_control.serve import cookies, errors
from scout_control.serve.hosting import public_origin
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import PostedForm, Visitor
from scout_control.serve.sign_in import TOKEN_FIELD, check_form, scout_of

router = APIRouter(include_in_schema=False)
Next = Annotated[str | None, Query(alias="next", max_length=2000)]
Secret = Annotated[str, Path(max_length=MOST_CHARACTERS)]
CALLBACK = "/sign-in/callback/"


@router.get("/sign-in/")
def show(request: Request, next_page: Next = None) -> Response:
    """Show the ways to sign in."""
    return _form(request, own_path(next_page))


@router.post("/sign-in/")
def with_token(request: Request, form: PostedForm) -> Response:
    """Sign in with a token."""
    next_page = own_path(form.get("next"))
    check_form(request, _browser(request) or "", form.get(TOKEN_FIELD, ""))
    try:
        begun = sign_in.with_token(scout_of(request).installation, form.get("token", ""))
    except (NotSignedInError, TooManyAttemptsError) as error:
        return _form(request, next_page, error)
    return _signed_in(request, begun, next_page)


@router.get("/sign-in/link/{secret}/")
def open_link(request: Request, secret: Secret) -> Response:
    """Show whom a link signs in, and a button that does so.

    Chat programs and virus scanners open the links of messages, too: these must not use it up. And
    another site could sign someone in as another person, who then sees what they do.
    """
    try:
        person = sign_in.of_link(scout_of(request).installation, secret)
    except (NotSignedInError, TooManyAttemptsError) as error:
        return _form(request, HOME, error)
    browser = _browser(request) or cookies.new_value()
    response = page(request, "link.html", csrf_token=form_token(browser), person=person)
    cookies.put(request, response, cookies.BROWSER, browser)
    return response


@router.post("/sign-in/link/{secret}/")
def confirm_link(request: Request, secret: Secret, form: PostedForm) -> Response:
    """Sign in with a link, which is used up."""
    check_form(request, _browser(request) or "", form.get(TOKEN_FIELD, ""))
    try:
        begun = sign_in.with_link(scout_of(request).installation, secret)
    except (NotSignedInError, TooManyAttemptsError) as error:
        return _form(request, HOME, error)
    return _signed_in(request, begun, HOME)


@router.get("/sign-in/provider/")
def begin_at_provider(request: Request, next_page: Next = None) -> Response:
    """Send the browser to the provider."""
    browser = _browser(request) or cookies.new_value()
    installation = scout_of(request).installation
    redirect_uri = public_origin(request) + CALLBACK
    url = openid.begin(installation, browser, redirect_uri, own_path(next_page))
    response = RedirectResponse(url, status_code=303)
    cookies.put(request, response, cookies.BROWSER, browser)
    return response


@router.get(CALLBACK)
def complete_at_provider(request: Request) -> Response:
    """Sign in a person whom the provider sent back."""
    url = f"{public_origin(request)}{CALLBACK}?{request.url.query}"
    try:
        begun, next_page = openid.complete(
            scout_of(request).installation, _browser(request) or "", url
        )
    except ControlError as error:
        return _form(request, HOME, error)
    return _signed_in(request, begun, next_page)


@router.post("/sign-out/")
def sign_out(request: Request, visit: Visitor) -> Response:
    """End the session."""
    sign_in.sign_out(scout_of(request).installation, visit.secret)
    response = RedirectResponse("/sign-in/", status_code=303)
    cookies.remove(request, response, cookies.SESSION)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _signed_in(request: Request, begun: BrowserSession, next_page: str) -> Response:
    """Continue as the person. The session before ends, and the browser gets a new secret."""
    if (earlier := cookies.get(request, cookies.SESSION)) is not None:
        sign_in.sign_out(scout_of(request).installation, earlier)
    response = RedirectResponse(next_page, status_code=303)
    cookies.put(request, response, cookies.SESSION, begun.secret)
    cookies.remove(request, response, cookies.BROWSER)
    return response


def _form(request: Request, next_page: str, error: ControlError | None = None) -> Response:
    browser = _browser(request) or cookies.new_value()
    response = page(
        request,
        "sign_in.html",
        status=200 if error is None else errors.status(error),
        error=error,
        provider=scout_of(request).installation.settings.openid is not None,
        csrf_token=form_token(browser),
        next_page=next_page,
    )
    if error is not None:
        response.headers.update(errors.headers(error))
    cookies.put(request, response, cookies.BROWSER, browser)
    return response


def _browser(request: Request) -> str | None:
    return cookies.get(request, cookies.BROWSER)
