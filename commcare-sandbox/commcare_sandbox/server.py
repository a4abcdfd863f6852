"""The HTTP server: reads a request, lets HQ or the control endpoint answer, plants faults.

Starlette's request and response are used without its router: HQ's addresses are a table.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from commcare_sandbox import control, faults
from commcare_sandbox.connect import routes as connect
from commcare_sandbox.hq import routes
from commcare_sandbox.wire import HTML_TYPE, Answer, Call
from commcare_sandbox.world import World

_SMALL_BYTES = 500
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_open: dict[tuple[str, int], asyncio.Transport] = {}


class Protocol(H11Protocol):
    """HTTP/1.1 that remembers its connections, so that one can be reset in mid-answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember a connection."""
        super().connection_made(transport)
        if self.client:
            _open[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        super().connection_lost(exc)
        if self.client:
            _open.pop(self.client, None)


class Application:
    """The sandbox as an ASGI application."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._faults = faults.Faults()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            call = await _read(Request(scope, receive))
        except ClientDisconnect:
            return
        if call.path.startswith("/_sandbox/"):
            response = control.answer(call, self._world)
            await response(scope, receive, send)
        else:
            await self._api(call, scope, receive, send)

    async def _api(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        world, switches = self._world, self._world.switches
        began = time.perf_counter()
        fault = self._faults.choose(call.path, switches)
        if fault in faults.INSTEAD:
            answer = faults.INSTEAD[fault](call, switches)
        elif routes.belongs_here(call.path):
            answer = routes.answer(call, world.hq)
        elif connect.belongs_here(call.path):
            answer = connect.answer(call, world.connect)
        else:
            answer = Answer(b"<h1>Not Found</h1>", 404, content_type=HTML_TYPE)
        if fault == "missing-key":
            answer = faults.without_collection(answer)
        body = _compressed(call, answer)
        spent = time.perf_counter() - began
        world.journal.note(call.method, call.path, call.params, answer.status, spent)
        if wait := switches.latency_ms / 1000 + answer.seconds:
            await asyncio.sleep(wait)
        if fault == "stall":
            await faults.stall(switches)
        if fault == "reset":
            await _reset(answer, body, scope, send)
            return
        if fault == "truncate":
            body = faults.first_half(body)
        response = _response(answer, body)
        await response(scope, receive, send)


async def _read(request: Request) -> Call:
    return Call(
        method=request.method,
        path=request.url.path,
        params=request.query_params.multi_items(),
        headers=request.headers,
        body=await request.body(),
    )


def _response(answer: Answer, body: bytes) -> Response:
    headers = answer.headers | {"Content-Type": answer.content_type}
    if answer.chunks is not None:
        return StreamingResponse(answer.chunks, answer.status, headers)
    return Response(body, answer.status, headers)


def _compressed(call: Call, answer: Answer) -> bytes:
    body = answer.encoded()
    accepts = "gzip" in call.headers.get("accept-encoding", "")
    is_done = "Content-Encoding" in answer.headers
    if is_done or not accepts or not answer.may_compress or len(body) < _SMALL_BYTES:
        return body
    answer.headers["Content-Encoding"] = "gzip"
    return gzip.compress(body, compresslevel=1)


async def _reset(answer: Answer, body: bytes, scope: Scope, send: Send) -> None:
    length = (b"content-length", str(len(body)).encode())
    kind = (b"content-type", answer.content_type.encode())
    await send({"type": "http.response.start", "status": answer.status, "headers": [length, kind]})
    half = faults.first_half(body)
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await asyncio.sleep(0.05)
    transport = _open.get(tuple(scope["client"]))
    if transport is None:
        return
    plain: socket.socket | None = transport.get_extra_info("socket")
    if plain is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Server(uvicorn.Server):
    """Uvicorn that says when it serves, and may end with the process that started it."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], *, until_eof: bool
    ) -> None:
        super().__init__(config)
        self._ready, self._until_eof = ready, until_eof

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self._until_eof:
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._end_at_eof)
        self._ready()

    def _end_at_eof(self) -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket of a loopback address.

    Raises:
        OSError: The address is not a loopback one, or taken.
    """
    if host not in LOOPBACK:
        raise OSError(f"The sandbox serves on loopback only ({', '.join(LOOPBACK)}), not {host}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol spelled out, asyncio leaves Nagle's algorithm on: 40 ms an answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    return listening


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def serve(
    world: World, listening: socket.socket, ready: Callable[[], None], *, until_eof: bool = False
) -> None:
    """Serve until SIGINT or SIGTERM, then exit with 130 or 143; or until standard input ends.

    Uvicorn raises the signal that ended it once more, for the handlers that are set here.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    config = uvicorn.Config(
        Application(world),
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
