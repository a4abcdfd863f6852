"""Errors as pages: what happened, and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from scout_control.serve import cookies
from scout_control.serve.page.rendering import page
from scout_control.serve.protection import wants_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI, Request

    Handler = Callable[[Request, Exception], Any]

SIGN_IN = "/sign-in/"
KEPT_HEADERS = ("retry-after", "allow")


def add_handlers(app: FastAPI) -> None:
    """Let a browser get a page wherever programs get a document."""
    for kind, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, _or_page(handler))


def _or_page(handler: Handler) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        response: Response = await run_in_threadpool(handler, request, error)
        return _as_page(request, response) if wants_page(request) else response

    return handle


def _as_page(request: Request, response: Response) -> Response:
    if response.status_code == 401:
        return to_sign_in(request)
    problem = json.loads(bytes(response.body))["error"]
    is_part = "hx-request" in request.headers
    template = "notice.html" if is_part else "error.html"
    shown = page(request, template, status=response.status_code, problem=problem)
    if is_part:
        shown.headers.update({"HX-Retarget": "#notice", "HX-Reswap": "innerHTML"})
    for name in KEPT_HEADERS:
        if name in response.headers:
            shown.headers[name] = response.headers[name]
    return shown


def to_sign_in(request: Request) -> Response:
    """Return the way to the sign-in, and back to where the browser was."""
    is_part = "hx-request" in request.headers
    place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if is_part or request.method != "GET":
        place = "/"
    target = SIGN_IN if place == "/" else f"{SIGN_IN}?{urlencode({'next': place})}"
    if is_part:
        return Response(status_code=401, headers={"HX-Redirect": target})
    redirect = RedirectResponse(target, status_code=303)
    cookies.remove(request, redirect, cookies.SESSION)
    return redirect
