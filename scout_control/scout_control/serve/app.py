"""The ASGI application.

Endpoints are plain functions, which run in the thread pool: the store is synchronous.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from scout_control.mcp.http import Endpoint
from scout_control.serve import datasets, errors

if TYPE_CHECKING:
    from scout_control.api.scout import Scout

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def create_app(scout: Scout) -> FastAPI:
    """Return the application of an installation, for this machine only.

    The page of documentation that FastAPI offers is off: it loads scripts from other hosts.
    """
    agents = Endpoint(scout)
    app = FastAPI(
        title="Scout",
        version=version("scout-control"),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=asynccontextmanager(lambda _: agents.running()),
    )
    app.state.scout = scout
    # A page of another host that is resolved to this address must not reach it (DNS rebinding).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK))
    errors.add_handlers(app)
    app.include_router(datasets.router)
    app.router.routes += agents.routes()
    return app
