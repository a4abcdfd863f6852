"""The HTTP server: dispatches requests to HQ, Connect or the control endpoint, and injects faults.

Starlette's router is not used: the routes of both halves are plain tables.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.requests import Request as ASGIRequest
from starlette.responses import Response as ASGIResponse
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from commcare_sandbox import control, faults
from commcare_sandbox.backend import SandboxBackend
from commcare_sandbox.connect import routes as connect
from commcare_sandbox.hq import routes
from commcare_sandbox.http_types import HTML_TYPE, Request, Response

_SMALL_BYTES = 500
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_open: dict[tuple[str, int], asyncio.Transport] = {}


class Protocol(H11Protocol):
    """HTTP/1.1 protocol that tracks its connections, so that one can be reset mid-response."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Track a connection."""
        super().connection_made(transport)
        if self.client:
            _open[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop tracking a connection."""
        super().connection_lost(exc)
        if self.client:
            _open.pop(self.client, None)


class Application:
    """The sandbox as an ASGI application."""

    def __init__(self, backend: SandboxBackend) -> None:
        self._backend = backend
        self._faults = faults.Faults()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return
        try:
            request = await _read(ASGIRequest(scope, receive))
        except ClientDisconnect:
            return
        if request.path.startswith("/_sandbox/"):
            await control.handle(request, self._backend)(scope, receive, send)
        else:
            await self._api(request, scope, receive, send)

    async def _api(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        backend, switches = self._backend, self._backend.switches
        began = time.perf_counter()
        fault = self._faults.choose(request.path, switches)
        if fault in faults.REPLACING:
            response = faults.REPLACING[fault](request, switches)
        elif routes.handles_path(request.path):
            response = routes.handle(request, backend.hq)
        elif connect.handles_path(request.path):
            response = connect.handle(request, backend.connect)
        else:
            response = Response(b"<h1>Not Found</h1>", 404, content_type=HTML_TYPE)
        if fault == "missing-key":
            response = faults.without_collection(response)
        body = _compressed(request, response)
        spent = time.perf_counter() - began
        backend.request_log.add(
            request.method, request.path, request.params, response.status, spent
        )
        if wait := switches.latency_ms / 1000 + response.seconds:
            await asyncio.sleep(wait)
        if fault == "stall":
            await faults.stall(switches)
        if fault == "reset":
            await _reset(response, body, scope, send)
            return
        if fault == "truncate":
            body = faults.first_half(body)
        await _to_asgi(response, body)(scope, receive, send)


async def _read(asgi_request: ASGIRequest) -> Request:
    return Request(
        method=asgi_request.method,
        path=asgi_request.url.path,
        params=asgi_request.query_params.multi_items(),
        headers=asgi_request.headers,
        body=await asgi_request.body(),
    )


def _to_asgi(response: Response, body: bytes) -> ASGIResponse:
    headers = response.headers | {"Content-Type": response.content_type}
    if response.chunks is not None:
        return StreamingResponse(response.chunks, response.status, headers)
    return ASGIResponse(body, response.status, headers)


def _compressed(request: Request, response: Response) -> bytes:
    body = response.encoded()
    accepts = "gzip" in request.headers.get("accept-encoding", "")
    is_done = "Content-Encoding" in response.headers
    if is_done or not accepts or not response.may_compress or len(body) < _SMALL_BYTES:
        return body
    response.headers["Content-Encoding"] = "gzip"
    return gzip.compress(body, compresslevel=1)


async def _reset(response: Response, body: bytes, scope: Scope, send: Send) -> None:
    length = (b"content-length", str(len(body)).encode())
    kind = (b"content-type", response.content_type.encode())
    await send(
        {"type": "http.response.start", "status": response.status, "headers": [length, kind]}
    )
    half = faults.first_half(body)
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await asyncio.sleep(0.05)  # let the first half reach the client
    transport = _open.get(tuple(scope["client"]))
    if transport is None:
        return
    plain: socket.socket | None = transport.get_extra_info("socket")
    if plain is not None:
        # With a linger time of 0, closing sends RST instead of FIN.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Server(uvicorn.Server):
    """Uvicorn server that reports when it is ready, and can stop when stdin closes."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], *, until_eof: bool
    ) -> None:
        super().__init__(config)
        self._ready, self._until_eof = ready, until_eof

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then report readiness."""
        await super().startup(sockets)
        if self._until_eof:
            # A thread, since epoll accepts neither files nor /dev/null.
            threading.Thread(target=self._stop_at_eof, daemon=True).start()
        self._ready()

    def _stop_at_eof(self) -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a loopback address.

    Raises:
        OSError: The address is not loopback, or is in use.
    """
    if host not in LOOPBACK:
        raise OSError(f"The sandbox listens on loopback only ({', '.join(LOOPBACK)}), not {host}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Unless the protocol is given, asyncio leaves Nagle's algorithm on: 40 ms per response.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    return listening


def base_url(host: str, port: int) -> str:
    """Return the URL of a server; IPv6 addresses are in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def serve(
    backend: SandboxBackend,
    listening: socket.socket,
    ready: Callable[[], None],
    *,
    until_eof: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM, then exit with 130 or 143; or until stdin closes.

    Uvicorn re-raises the signal that stopped it, for the handlers set here.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    config = uvicorn.Config(
        Application(backend),
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    Server(config, ready, until_eof=until_eof).run(sockets=[listening])
