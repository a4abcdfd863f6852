"""Requests that end: within a time in all, and within a size.

The time-outs of ``requests`` are between two bytes: a server that sends one now and then is waited
for without end. Here the connection is cut when the time is over, whatever it is doing.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

LONGEST_SECONDS = 60.0
MOST_BYTES = 1_000_000
CHUNK_BYTES = 65_536


class _Cut:
    """Cuts the connections of one request when its time is over."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, opened: socket.socket) -> None:
        """Cut this connection, too; a copy of it, for TLS takes the socket over."""
        with self._lock:
            self._sockets.append(opened.dup())
        if self.is_over:
            self._cut()

    def close(self) -> None:
        """Leave the connections alone from now on."""
        self._timer.cancel()
        with self._lock:
            for watched in self._sockets:
                watched.close()
            self._sockets.clear()

    def _cut(self) -> None:
        self.is_over = True
        with self._lock:
            for watched in self._sockets:
                with suppress(OSError):
                    watched.shutdown(socket.SHUT_RDWR)


_cut: ContextVar[_Cut] = ContextVar("cut")


class _Http(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        opened = super()._new_conn()
        _cut.get().watch(opened)
        return opened


class _Https(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        opened = super()._new_conn()
        _cut.get().watch(opened)
        return opened


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class Bounded(HTTPAdapter):
    """An adapter whose answers are whole when they are given, or are refused."""

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        self._seconds = LONGEST_SECONDS if seconds is None else seconds

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        """Let the pool make connections that can be cut."""
        super().init_poolmanager(*args, **named)
        _let_cut(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **named: Any) -> Any:
        """The same through a proxy."""
        return _let_cut(super().proxy_manager_for(*args, **named))

    def send(self, request: requests.PreparedRequest, *args: Any, **named: Any) -> Any:
        """Send a request, and read its answer.

        Raises:
            requests.RequestException: It was not answered whole in time, or at too great a length.
        """
        cut = _Cut(self._seconds)
        token = _cut.set(cut)
        try:
            answer: Any = super().send(request, *args, **named)
            answer._content = _read(answer)  # noqa: SLF001 - as requests itself does
            answer._content_consumed = True  # noqa: SLF001 - the same
        except requests.RequestException:
            if not cut.is_over:
                raise
            answer = None
        finally:
            _cut.reset(token)
            cut.close()
            self.close()  # a connection is for one request, since a cut is
        if cut.is_over:
            raise requests.ReadTimeout(f"no answer within {self._seconds:g} seconds")
        return answer


def session() -> requests.Session:
    """Return a session whose requests end."""
    made = requests.Session()
    bind(made)
    return made


def bind(made: requests.Session) -> None:
    """Let the requests of a session end."""
    for scheme in ("http://", "https://"):
        made.mount(scheme, Bounded())


def _read(answer: requests.Response) -> bytes:
    content = bytearray()
    for chunk in answer.iter_content(CHUNK_BYTES):
        content += chunk
        if len(content) > MOST_BYTES:
            answer.close()
            raise requests.exceptions.ContentDecodingError(f"more than {MOST_BYTES} bytes")
    return bytes(content)


def _let_cut(manager: Any) -> Any:
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager
