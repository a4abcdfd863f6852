"""Templates as responses. Jinja escapes every value; nothing is marked as safe."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from scout_control.serve.page import formats
from scout_control.serve.protection import PAGE_POLICY

if TYPE_CHECKING:
    from fastapi import Request

    from scout_control.serve.page.visits import Visit

HEADERS = {
    "Content-Security-Policy": PAGE_POLICY.decode(),
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, HX-Request",
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("scout_control.serve.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= formats.FILTERS
    return environment


def page(
    request: Request,
    template: str,
    *,
    visit: Visit | None = None,
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    """Return a page.

    Args:
        request: What is answered.
        template: The file below ``templates``.
        visit: Who is signed in; None for a page before the sign-in.
        status: The status of HTTP.
        **values: What the template shows.
    """
    shown = {"visit": visit, "path": request.url.path} | values
    text = _environment().get_template(template).render(shown)
    return HTMLResponse(text, status_code=status, headers=HEADERS)
