"""A server that sends one byte now and then, forever."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Dripping:
    """State of a dripping server."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.requests = 0
        self.is_over = threading.Event()


@contextlib.contextmanager
def dripping(*, in_head: bool = False) -> Iterator[Dripping]:
    """Drip in the body of the response, or in its headers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Dripping(server.getsockname()[1])
        begin = HEAD + (b"X-Slow: " if in_head else b'\r\n{"access_token": "')
        threading.Thread(target=_accept, args=(server, made, begin), daemon=True).start()
        yield made
        made.is_over.set()
        server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, made: Dripping, begin: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_drip, args=(client, made, begin), daemon=True).start()


def _drip(client: socket.socket, made: Dripping, begin: bytes) -> None:
    with client, contextlib.suppress(OSError):
        client.recv(65_536)
        made.requests += 1
        client.sendall(begin)
        while not made.is_over.wait(0.5):
            client.sendall(b"a")
