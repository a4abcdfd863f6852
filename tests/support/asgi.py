"""An application without a server: what it answers, fast, in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI
from scout_control.api.scout import Scout
from scout_control.installation.settings import Settings
from scout_control.serve.app import create_app
from scout_control.serve.hosting import Hosting
from starlette.types import ASGIApp, Message

Header = tuple[bytes, bytes]
NOWHERE = "postgresql://ann@127.0.0.1:9/none"


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the document."""
        return json.loads(self.body)


def application(folder: Any, hosting: Hosting | None = None, **settings: Any) -> FastAPI:
    """Return the application of an installation whose store does not answer."""
    values = {"database_url": NOWHERE} | settings
    return create_app(Scout(Settings(project_root=folder, home=folder, **values)), hosting)


class InProcess:
    """An application that serves in this process, for as long as the context is open."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._runner = asyncio.Runner()

    def __enter__(self) -> InProcess:
        self._runner.run(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._end())
        self._runner.close()

    async def _begin(self) -> None:
        self._ready, self._stop = asyncio.Event(), asyncio.Event()
        self._serving = asyncio.create_task(self._serve())
        await self._ready.wait()

    async def _serve(self) -> None:
        async with self._app.router.lifespan_context(self._app):
            self._ready.set()
            await self._stop.wait()

    async def _end(self) -> None:
        self._stop.set()
        await self._serving

    def ask(
        self, address: str, method: str = "GET", body: bytes = b"", *more: Header, **headers: str
    ) -> Answer:
        """Send a request; underscores in the names of headers are hyphens."""
        return self._runner.run(_ask(self._app, address, method, body, headers, more))


def ask(
    app: ASGIApp, address: str, method: str = "GET", body: bytes = b"", **headers: str
) -> Answer:
    """Send a request to an application without a lifespan."""
    return asyncio.run(_ask(app, address, method, body, headers))


async def _ask(
    app: ASGIApp,
    address: str,
    method: str,
    body: bytes,
    given: dict[str, str],
    more: Iterable[Header] = (),
) -> Answer:
    path, _, query = address.partition("?")
    headers = {"host": "127.0.0.1:8765"} | {
        name.replace("_", "-").lower(): value for name, value in given.items()
    }
    if body:
        headers = {"content-type": "application/json", "content-length": str(len(body))} | headers
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": unquote(path, errors="replace"), "raw_path": path.encode(),
        "query_string": query.encode(), "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8765), "headers": [
            *((name.encode(), value.encode("latin-1")) for name, value in headers.items()), *more
        ],
    }  # fmt: skip
    sent: list[Message] = []
    was_read = False

    async def receive() -> Message:
        nonlocal was_read
        if was_read:
            await asyncio.Event().wait()
        was_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    found = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    parts = [each.get("body", b"") for each in sent[1:]]
    return Answer(sent[0]["status"], found, b"".join(parts))
