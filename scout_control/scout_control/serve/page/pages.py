"""All pages, and the files that they use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.staticfiles import StaticFiles

from scout_control.serve.page import (
    account,
    connect,
    data_sources,
    dataset,
    errors,
    links,
    operator,
    project,
    query,
    setup,
    sign_in,
    tables,
)

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.responses import Response

ROUTERS = tuple(
    each.router
    for each in (
        sign_in,
        account,
        data_sources,
        connect,
        dataset,
        tables,
        query,
        project,
        links,
        operator,
        setup,
    )
)


class _Files(StaticFiles):
    """Files that a browser keeps, and asks whether they have changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a file."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def add_to(app: FastAPI) -> None:
    """Add the pages to an application that has its other routes and handlers already."""
    for router in ROUTERS:
        app.include_router(router)
    files = Path(__file__).with_name("static")
    app.mount("/static", _Files(directory=files), name="static")
    errors.add_handlers(app)
