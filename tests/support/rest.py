"""The REST interface over HTTP, in a thread of the test, and a client for each person."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import uvicorn
from scout_control.serve.app import create_app

BASE = "/api/datasources"
SECONDS = 60


@dataclass(frozen=True)
class Client:
    """Sends requests as one person."""

    address: str
    token: str | None

    def __call__(
        self, method: str, path: str, json: Any = None, **headers: str
    ) -> requests.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        place = path if path.startswith("/") else f"{BASE}/{path}"
        return requests.request(
            method, f"{self.address}{place}", json=json, headers=sent, timeout=SECONDS
        )

    def get(self, path: str, **headers: str) -> Any:
        """Return the document at a path, which must be there."""
        answer = self("GET", path, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def events(self, path: str, **headers: str) -> Iterator[tuple[str, str]]:
        """Yield the names and data of events."""
        sent = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        address = f"{self.address}{BASE}/{path}"
        with requests.get(address, headers=sent, stream=True, timeout=SECONDS) as answer:
            assert answer.status_code == 200, answer.text
            name = ""
            for line in answer.iter_lines(decode_unicode=True):
                kind, _, value = line.partition(": ")
                if kind == "event":
                    name = value
                elif kind == "data":
                    yield name, value


@contextmanager
def serving(scout: Any) -> Iterator[str]:
    """Serve an installation on a free port; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(scout), log_level="critical", timeout_graceful_shutdown=2, server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
