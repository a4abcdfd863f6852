"""Catches the browser that comes back from a login: a server on this machine, for one answer."""

from __future__ import annotations

import hmac
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from scout_control.errors import CredentialMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/callback"
PAGE = (
    "<!doctype html><meta charset=utf-8><title>Scout</title>"
    "<p style='font: 1.2em sans-serif; margin: 4em'>{text}</p>"
)


class Callback(HTTPServer):
    """Listens on a loopback port until the answer with the right state has come."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = ""
        self.answer: str | None = None
        self.came = threading.Event()

    @property
    def redirect_uri(self) -> str:
        """Return the address that the source must send the browser back to."""
        return f"http://127.0.0.1:{self.server_port}{PATH}"

    def wait(self, seconds: float) -> str:
        """Return the address that the browser came back with.

        Raises:
            CredentialMissingError: Nobody came.
        """
        if not self.came.wait(seconds) or self.answer is None:
            raise CredentialMissingError(
                f"Nobody came back from the login within {seconds:.0f} seconds.",
                "Try again; on a machine without a browser use --no-browser.",
            )
        return self.answer


@contextmanager
def listening(port: int = 0) -> Iterator[Callback]:
    """Listen for the answer to one login."""
    server = Callback(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Callback
    timeout = 10

    def do_GET(self) -> None:
        """Take the answer if it carries our state; anything else is not for us."""
        parts = urlsplit(self.path)
        said = parse_qs(parts.query)
        state = said.get("state", [""])[0]
        expected = self.server.state
        if parts.path != PATH or not expected or not hmac.compare_digest(state, expected):
            self._page(404, "This is not the answer that was waited for.")
            return
        self.server.answer = self.server.redirect_uri + "?" + parts.query
        word = "Allowed" if "code" in said else "Not allowed"
        self._page(200, f"{word}. You may close this window and go back to the terminal.")
        self.server.came.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has
        """Log nothing: the address holds a code."""

    def _page(self, status: int, text: str) -> None:
        body = PAGE.format(text=text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)
