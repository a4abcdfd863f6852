"""``/``: where people begin."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visitor

router = APIRouter(include_in_schema=False)


@router.get("/")
def show(request: Request, visit: Visitor) -> Response:
    """Show who is signed in."""
    return page(request, "home.html", visit=visit)
