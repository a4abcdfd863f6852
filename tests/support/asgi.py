"""An application without a server and a store: what it answers before it looks anything up."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from scout_control.api.scout import Scout
from scout_control.installation.settings import Settings
from scout_control.serve.app import create_app
from scout_control.serve.hosting import Hosting
from starlette.types import ASGIApp, Message

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


def application(folder: Any, hosting: Hosting | None = None, **settings: Any) -> ASGIApp:
    """Return the application of an installation whose store does not answer."""
    values = {"database_url": NOWHERE} | settings
    return create_app(Scout(Settings(project_root=folder, home=folder, **values)), hosting)


def ask(
    app: ASGIApp, address: str, method: str = "GET", body: bytes = b"", **headers: str
) -> Answer:
    """Send a request to an application in this process."""
    return asyncio.run(_ask(app, address, method, body, headers))


async def _ask(
    app: ASGIApp, address: str, method: str, body: bytes, given: dict[str, str]
) -> Answer:
    path, _, query = address.partition("?")
    headers = {"host": "127.0.0.1:8765"} | {
        k.replace("_", "-").lower(): v for k, v in given.items()
    }
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": unquote(path), "raw_path": path.encode(),
        "query_string": query.encode(), "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8765), "headers": [
            (name.encode(), value.encode()) for name, value in headers.items()
        ],
    }  # fmt: skip
    sent: list[Message] = []
    ended = asyncio.Event()

    async def receive() -> Message:
        if ended.is_set():
            await asyncio.Event().wait()
        ended.set()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    parts = [each.get("body", b"") for each in sent[1:]]
    return Answer(sent[0]["status"], found, b"".join(parts))
