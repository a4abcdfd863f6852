"""Catches the browser that comes back from a login: a server on this machine, for one answer.

Every program on this machine can reach it. So a client has a deadline and a size limit, several are
served at once, and one too many takes the place of the one that has been there longest.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scout_control.credentials.oauth import is_same, said_once
from scout_control.errors import RECONNECT, CredentialMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/callback"
PAGE = (
    "<!doctype html><meta charset=utf-8><title>Scout</title>"
    "<p style='font: 1.2em sans-serif; margin: 4em'>{text}</p>"
)
LONGEST_SECONDS = 10.0  # that one client is listened to
LARGEST_HEAD_BYTES = 64 * 1024  # with all cookies that a browser has for this machine
MOST_CLIENTS = 16
END_OF_HEAD = b"\r\n\r\n"


class Callback(ThreadingHTTPServer):
    """Listens on a loopback port until the answer with the right state has come."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = ""
        self.answer: str | None = None
        self.came = threading.Event()
        self._clients: deque[socket.socket] = deque()
        self._lock = threading.Lock()

    @property
    def redirect_uri(self) -> str:
        """Return the address that the source must send the browser back to."""
        return f"http://127.0.0.1:{self.server_port}{PATH}"

    def wait(self, seconds: float) -> str:
        """Return the address that the browser came back with.

        Raises:
            CredentialMissingError: It did not come.
        """
        if not self.came.wait(seconds) or self.answer is None:
            raise CredentialMissingError(
                f"The browser did not come back from the login within {seconds:.0f} seconds.",
                f"{RECONNECT} (with --no-browser where there is no browser).",
            )
        return self.answer

    def process_request(self, request: Any, client_address: Any) -> None:
        """Listen to a client; where there are too many, no longer to the one that came first."""
        with self._lock:
            self._clients.append(request)
            if len(self._clients) > MOST_CLIENTS:
                _cut(self._clients.popleft())
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Say goodbye to a client."""
        with self._lock, suppress(ValueError):
            self._clients.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that break: what they sent may hold a code."""


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


def _cut(client: socket.socket) -> None:
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: Callback

    def handle(self) -> None:
        """Read the whole head before anything is made of it, within its time and size."""
        head = self._head()
        if head is None:
            return
        self.rfile = io.BufferedReader(io.BytesIO(head))
        self.handle_one_request()

    def do_GET(self) -> None:
        """Take the answer if it carries our state; anything else is not for us."""
        parts = urlsplit(self.path) if self.path.startswith("/") else urlsplit("")
        said = said_once(self.path) if parts.path == PATH else None
        expected = self.server.state
        if said is None or not expected or not is_same(said.get("state", ""), expected):
            self._page(404, "This is not the answer that was waited for.")
            return
        self.server.answer = self.server.redirect_uri + "?" + parts.query
        word = "Allowed" if "code" in said else "Not allowed"
        self._page(200, f"{word}. You may close this window and go back to the terminal.")
        self.server.came.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has
        """Log nothing: the address holds a code."""

    def _head(self) -> bytes | None:
        until, head = time.monotonic() + LONGEST_SECONDS, b""
        while END_OF_HEAD not in head:
            left = until - time.monotonic()
            if left <= 0 or len(head) > LARGEST_HEAD_BYTES:
                return None
            self.connection.settimeout(left)
            try:
                more = self.connection.recv(8192)
            except OSError:
                return None
            if not more:
                return None
            head += more
        return head

    def _page(self, status: int, text: str) -> None:
        body = PAGE.format(text=text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)
