"""The ASGI application.

Endpoints are plain functions, which run in the thread pools of ``pools``: the store is synchronous.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI

from scout_control.mcp import caller
from scout_control.mcp.http import Endpoint
from scout_control.serve import docs_page, errors, pools, resource_metadata
from scout_control.serve.hosting import Hosting
from scout_control.serve.http import HttpRules, KnownHosts
from scout_control.serve.page import pages
from scout_control.serve.protection import Protection
from scout_control.serve.routers import ROUTERS
from scout_control.serve.run_events import Streams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Lifespan

    from scout_control.api.scout import Scout

DESCRIPTION = (
    "What `scout` does, for programs: connections, sources, credentials, datasets and their runs. "
    "Send a token in `Authorization: Bearer`. What may not be seen is answered with 404. "
    "Every error is a document with `code`, `reason`, `message` and `remedy`. "
    "Lists have pages: give `next` as `after`. What is not described here is refused: fields, and "
    "parameters of the address. Each path is answered without its last slash, too."
)


def create_app(scout: Scout, hosting: Hosting | None = None) -> FastAPI:
    """Return the application of an installation, by default for this machine only.

    The pages of documentation that FastAPI offers are off: they load scripts from other hosts.
    """
    agents = Endpoint(scout, resource_metadata.address)
    app = FastAPI(
        title="Scout",
        summary="CommCare and CommCare Connect data in your own Postgres.",
        description=DESCRIPTION,
        version=version("scout-control"),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        lifespan=_running(agents),
    )
    app.state.scout = scout
    app.state.hosting = hosting = hosting or Hosting()
    app.state.streams = Streams()
    scout.installation.store.allow(pools.THREADS + caller.CONNECTIONS)
    app.add_middleware(KnownHosts, names=hosting.names)
    app.add_middleware(Protection)
    app.add_middleware(HttpRules)
    errors.add_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    app.router.routes += agents.routes()
    docs_page.add(app)
    pages.add_to(app)
    return app


def _running(agents: Endpoint) -> Lifespan[FastAPI]:
    """Return what holds while an application serves: its threads, and those of agents."""

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        async with pools.threads(app), asynccontextmanager(agents.running)():
            yield

    return running
