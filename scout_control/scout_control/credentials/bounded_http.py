"""HTTP requests with a limit on their total time and size.

The timeouts of ``requests`` apply between two bytes, so a server that sends a byte now and then is
waited for forever. Here a timer shuts the connection down, whatever the request is doing.
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
PROBE_TIMEOUT = (5.0, 10.0)
REASONS: tuple[tuple[type[requests.RequestException], str], ...] = (
    (requests.exceptions.ProxyError, "the proxy does not pass the request on"),
    (requests.exceptions.SSLError, "its TLS certificate is not accepted, or it has none"),
    (requests.Timeout, "no response in time"),
    (requests.ConnectionError, "no connection"),
)


class _Deadline:
    """Shuts down the connections of one request when its time is up."""

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._disconnect)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, connection: socket.socket) -> None:
        """Also shut down this connection, by a duplicate: TLS detaches the original socket."""
        with self._lock:
            self._sockets.append(connection.dup())
        if self.has_passed:
            self._disconnect()

    def close(self) -> None:
        """Stop the timer and close the duplicates."""
        self._timer.cancel()
        with self._lock:
            for watched in self._sockets:
                watched.close()
            self._sockets.clear()

    def _disconnect(self) -> None:
        self.has_passed = True
        with self._lock:
            for watched in self._sockets:
                with suppress(OSError):
                    watched.shutdown(socket.SHUT_RDWR)


# urllib3 creates connections deep inside a pool: this is how they find their request's deadline.
_deadline: ContextVar[_Deadline] = ContextVar("deadline")


class _Http(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        _deadline.get().watch(connection)
        return connection


class _Https(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        _deadline.get().watch(connection)
        return connection


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class BoundedAdapter(HTTPAdapter):
    """An adapter that reads each response completely within its limits, or raises."""

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        self._seconds = LONGEST_SECONDS if seconds is None else seconds

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool create connections that watch the deadline."""
        super().init_poolmanager(*args, **kwargs)
        _use_watched_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pool of a proxy create connections that watch the deadline."""
        return _use_watched_pools(super().proxy_manager_for(*args, **kwargs))

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """Send a request and read its response.

        Raises:
            requests.RequestException: The response was not complete in time, or was too large.
        """
        deadline = _Deadline(self._seconds)
        token = _deadline.set(deadline)
        try:
            response: Any = super().send(request, *args, **kwargs)
            # Read here, inside the deadline: requests would read later, without one.
            response._content = _read(response)  # noqa: SLF001 - as requests itself does
            response._content_consumed = True  # noqa: SLF001 - as requests itself does
        except requests.RequestException:
            if not deadline.has_passed:
                raise
            response = None
        finally:
            _deadline.reset(token)
            deadline.close()
            self.close()  # a kept-alive connection would not be watched by the next deadline
        if deadline.has_passed:
            raise requests.ReadTimeout(f"no answer within {self._seconds:g} s")
        return response


def session(seconds: float | None = None) -> requests.Session:
    """Return a session with a limit on the time and size of each request."""
    bounded = requests.Session()
    for scheme in ("http://", "https://"):
        bounded.mount(scheme, BoundedAdapter(seconds))
    return bounded


def find_connection_error(url: str) -> str | None:
    """Return why a server gives no HTTP response, in a few words; None if it gives any.

    It is asked without credentials, also those that a .netrc holds.
    """
    try:
        with session() as http:
            http.head(url, timeout=PROBE_TIMEOUT, allow_redirects=False, auth=_without_login)
    except requests.RequestException as error:
        return next((text for kind, text in REASONS if isinstance(error, kind)), "no response")
    return None


def _without_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read(response: requests.Response) -> bytes:
    content = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        content += chunk
        if len(content) > MOST_BYTES:
            response.close()
            raise requests.exceptions.ContentDecodingError(f"more than {MOST_BYTES} bytes")
    return bytes(content)


def _use_watched_pools(manager: Any) -> Any:
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager
