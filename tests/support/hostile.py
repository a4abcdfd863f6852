"""A malicious server that sends exactly the bytes of a test."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Write = Callable[[bytes], None]
Attack = Callable[[Write], None]
ByPath = Callable[[str], Attack]

ENDLESS = 10_000_000


@contextmanager
def serving(attack: Attack | None = None, by_path: ByPath | None = None) -> Iterator[str]:
    """Respond to every request with an attack, or with one for its path; yield the server's URL."""
    chosen: ByPath = by_path or (lambda _: attack or says(b""))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (piece := self.request.recv(65536)):
                        return
                    head += piece
                path = head.split(b" ", 2)[1].decode()
                chosen(path)(self.request.sendall)
                self.request.shutdown(socket.SHUT_RDWR)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def head(*lines: str, status: str = "200 OK") -> bytes:
    """Return status line and headers of a response."""
    fields = ("Content-Type: application/json", "Connection: close", *lines)
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *fields, "")).encode()


def says(body: bytes, *lines: str, status: str = "200 OK") -> Attack:
    """Return an attack that sends one body."""
    return lambda write: write(head(*lines, status=status) + body)


def bomb(encoding: str, bits: int, *, status: str = "200 OK") -> Attack:
    """Return an attack of 3 GB of spaces in 3 MB."""

    def attack(write: Write) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, bits)
        first = packer.compress(b"[" + b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
        again = packer.compress(b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
        write(head(f"Content-Encoding: {encoding}", status=status) + first)
        for _ in range(3000):
            write(again)

    return attack


def drip(before: bytes, piece: bytes = b" ", pause: float = 0.1) -> Attack:
    """Return an attack that sends something and then a little at a time, forever."""

    def attack(write: Write) -> None:
        write(before)
        for _ in range(ENDLESS):
            write(piece)
            time.sleep(pause)

    return attack


def flood(before: bytes, piece: bytes) -> Attack:
    """Return an attack that sends forever, as fast as it can."""
    return drip(before, piece, 0)
