"""A browser without scripts: cookies, forms, and the headers that browsers send by themselves."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any

import requests
import uvicorn
from scout_control.api.scout import Scout
from scout_control.installation.settings import Settings
from scout_control.serve.app import create_app
from scout_control.serve.hosting import Hosting

from support.workers import environment_of

SERVING = re.compile(r"Serving (https?://\S+)/api/openapi\.json")
LINK = re.compile(r"to sign in: (\S+)")
FIELD = re.compile(r'name="(csrf_token|next)" value="([^"]*)"')


class Page:
    """A running server, and a browser that visits it."""

    def __init__(self, address: str, **session: Any) -> None:
        self.address = address
        self.http = requests.Session()
        vars(self.http).update(session)
        self.last: requests.Response | None = None

    def get(self, path: str, *, site: str = "none", **options: Any) -> requests.Response:
        """Open an address, as if it was typed, or as another site sends a browser to it."""
        options = {"allow_redirects": False, "timeout": 60} | options
        headers = {"Accept": "text/html", "Sec-Fetch-Site": site} | options.pop("headers", {})
        url = path if path.startswith("http") else self.address + path
        self.last = self.http.get(url, headers=headers, **options)
        return self.last

    def until_it_answers(self) -> None:
        """Wait until the server, which listens already, answers."""
        while not self.get("/health", timeout=60).ok:
            time.sleep(0.05)

    def form(self, path: str) -> dict[str, str]:
        """Return the hidden fields of a page."""
        return {name: unescape(value) for name, value in FIELD.findall(self.get(path).text)}

    def post(
        self, path: str, *, origin: str | None = "", site: str = "same-origin", **fields: Any
    ) -> requests.Response:
        """Send a form; with ``origin`` another site does."""
        headers = {"Accept": "text/html", "Sec-Fetch-Site": site}
        if origin is not None:
            headers["Origin"] = origin or self.address
        self.last = self.http.post(
            self.address + path, data=fields, headers=headers, allow_redirects=False, timeout=60
        )
        return self.last

    def send(self, path: str, **fields: Any) -> requests.Response:
        """Send a form of someone who is signed in, and return the page that they then see."""
        token = self.form("/account/")["csrf_token"]
        answer = self.post(path, csrf_token=token, **fields)
        return self.get(answer.headers["Location"]) if answer.status_code == 303 else answer

    def sign_in(self, token: str) -> requests.Response:
        """Sign in with a token."""
        return self.post("/sign-in/", **self.form("/sign-in/"), token=token)

    def open_link(self, path: str) -> requests.Response:
        """Sign in with a link: open it, and confirm."""
        path = path.removeprefix(self.address)
        return self.post(path, **self.form(path))

    def another(self) -> Page:
        """Return another browser that visits the same server."""
        return Page(self.address)


@contextmanager
def served(
    settings: Settings, *options: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[Page, subprocess.Popen[str], list[str]]]:
    """Run ``scout serve``; yields a browser, the process, and what it has printed so far."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scout_control", "serve", "--port", "0", *options],
        env=environment_of(settings) | {"PYTHONUNBUFFERED": "1"} | (environment or {}),
        stderr=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    try:
        yield Page(_address(process, said)), process, said
    finally:
        process.terminate()
        said.append(process.communicate(timeout=120)[1])


@contextmanager
def served_here(scout: Scout, **options: Any) -> Iterator[Page]:
    """Serve an installation in a thread of this process, which starts at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    hosting = Hosting(port=port, **options)
    config = uvicorn.Config(create_app(scout, hosting), log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Page(f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _address(process: subprocess.Popen[str], said: list[str]) -> str:
    until = time.monotonic() + 120
    assert process.stderr
    while time.monotonic() < until and (line := process.stderr.readline()):
        said.append(line)
        if found := SERVING.search(line):
            return found[1]
    raise AssertionError(f"It does not serve: {''.join(said)}")
