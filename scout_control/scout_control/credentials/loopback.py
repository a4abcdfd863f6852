"""The redirect endpoint of the OAuth flow on this machine: an HTTP server for one response.

Any program on this machine can connect to it. So each client has a deadline and a size limit,
several are served at once, and beyond that limit the oldest connection is closed.
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

from scout_control.credentials.oauth import equal_in_constant_time, unique_parameters
from scout_control.errors import RECONNECT, CredentialMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/callback"
PAGE = (
    "<!doctype html><meta charset=utf-8><title>Scout</title>"
    "<p style='font: 1.2em sans-serif; margin: 4em'>{text}</p>"
)
CLIENT_TIMEOUT_SECONDS = 10.0
LARGEST_HEAD_BYTES = 64 * 1024  # a browser sends all its cookies for this machine
MOST_CLIENTS = 16
END_OF_HEAD = b"\r\n\r\n"


class CallbackServer(ThreadingHTTPServer):
    """Listens on a loopback port until a redirect with the expected state arrives."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = ""
        """The state to expect. Until it is set, every redirect is rejected."""
        self.redirect_url: str | None = None
        self.is_redirected = threading.Event()
        self._clients: deque[socket.socket] = deque()
        self._lock = threading.Lock()

    @property
    def redirect_uri(self) -> str:
        """Return the URI to which the source redirects the browser."""
        return f"http://127.0.0.1:{self.server_port}{PATH}"

    def wait(self, seconds: float) -> str:
        """Wait for the browser, and return the full URL that it was redirected to.

        Raises:
            CredentialMissingError: The browser was not redirected in time.
        """
        if not self.is_redirected.wait(seconds) or self.redirect_url is None:
            raise CredentialMissingError(
                f"The browser was not redirected back within {seconds:.0f} s.",
                f"{RECONNECT} (with --no-browser if this machine has no browser).",
            )
        return self.redirect_url

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a client; with too many at once, close the oldest connection.

        Refusing the newest instead would let silent connections lock the browser out.
        """
        with self._lock:
            self._clients.append(request)
            if len(self._clients) > MOST_CLIENTS:
                _disconnect(self._clients.popleft())
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection of a client, and stop counting it."""
        with self._lock, suppress(ValueError):
            self._clients.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no traceback: the request may contain a code."""


@contextmanager
def callback_server(port: int = 0) -> Iterator[CallbackServer]:
    """Run a callback server in a thread; port 0 chooses a free one."""
    server = CallbackServer(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _disconnect(client: socket.socket) -> None:
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: CallbackServer

    def handle(self) -> None:
        """Read the complete request head within its limits, then handle it.

        The base class would wait without limit for a client that sends its head byte by byte.
        """
        head = self._read_head()
        if head is None:
            return
        self.rfile = io.BufferedReader(io.BytesIO(head))
        self.handle_one_request()

    def do_GET(self) -> None:
        """Accept a redirect that carries the expected state; answer 404 to everything else."""
        parts = urlsplit(self.path) if self.path.startswith("/") else urlsplit("")
        parameters = unique_parameters(self.path) if parts.path == PATH else None
        expected = self.server.state
        if (
            parameters is None
            or not expected
            or not equal_in_constant_time(parameters.get("state", ""), expected)
        ):
            self._send_page(404, "This is not the expected response.")
            return
        self.server.redirect_url = self.server.redirect_uri + "?" + parts.query
        outcome = "Allowed" if "code" in parameters else "Not allowed"
        self._send_page(200, f"{outcome}. You may close this window and return to the terminal.")
        self.server.is_redirected.set()

    def log_message(self, *_args: Any, **_kwargs: Any) -> None:
        """Log nothing: the URL contains a code."""

    def _read_head(self) -> bytes | None:
        deadline, head = time.monotonic() + CLIENT_TIMEOUT_SECONDS, b""
        while END_OF_HEAD not in head:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or len(head) > LARGEST_HEAD_BYTES:
                return None
            self.connection.settimeout(remaining)
            try:
                chunk = self.connection.recv(8192)
            except OSError:
                return None
            if not chunk:
                return None
            head += chunk
        return head

    def _send_page(self, status: int, text: str) -> None:
        body = PAGE.format(text=text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Referrer-Policy", "no-referrer")  # the URL of this page contains a code
        self.end_headers()
        self.wfile.write(body)
