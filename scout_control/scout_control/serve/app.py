"""The ASGI application.

Endpoints are plain functions, which run in the thread pool: the store is synchronous.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from scout_control.serve import datasets, errors, oauth, session
from scout_control.serve.hosting import Hosting
from scout_control.serve.page import pages
from scout_control.serve.protection import Protection

if TYPE_CHECKING:
    from scout_control.api.scout import Scout


def create_app(scout: Scout, hosting: Hosting | None = None) -> FastAPI:
    """Return the application of an installation, by default for this machine only.

    The page of documentation that FastAPI offers is off: it loads scripts from other hosts.
    """
    app = FastAPI(
        title="Scout",
        version=version("scout-control"),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.scout = scout
    app.state.hosting = hosting = hosting or Hosting()
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosting.names, www_redirect=False)
    app.add_middleware(Protection)
    errors.add_handlers(app)
    for each in (datasets, oauth, session):
        app.include_router(each.router)
    pages.add_to(app)
    return app
