"""A server on loopback that answers each GET with the JSON that a function returns for its path."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def json_server(respond: Callable[[str], Any]) -> Iterator[str]:
    """Yield the URL of the server.

    Args:
        respond: Returns the body for a path with its query; or an int, which is the status of an
            empty response.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = respond(self.path)
            status, body = (
                (found, b"{}") if type(found) is int else (200, json.dumps(found).encode())
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()
