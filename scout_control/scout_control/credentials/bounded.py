"""HTTP to servers that may be slow, endless or hostile: each request has a deadline and a size.

The deadlines of ``requests`` are between two bytes: a server that drips them is never late.
"""

from __future__ import annotations

import socket
import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import RequestException, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

LONGEST_SECONDS = 60.0
LARGEST_BYTES = 1_000_000
ANY_COMPRESSION = 47  # of zlib: gzip or deflate, by its header


class BoundedAdapter(HTTPAdapter):
    """Ends each request, from its connection to the last byte of the answer, after a deadline."""

    def __init__(self, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._longest_seconds = longest_seconds
        self._sockets: list[socket.socket] = []
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pools, whose connections can be cut."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._sockets)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Make the pools of a proxy, whose connections can be cut, too."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _pools(self._sockets)
        return manager

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        """Send a request and read the whole answer.

        Raises:
            requests.RequestException: The server did not answer in time.
            ValueError: The answer is larger than any that is expected.
        """
        late = threading.Event()
        timer = threading.Timer(self._longest_seconds, self._cut, [late])
        timer.start()
        try:
            response = super().send(request, *arguments, **{**options, "stream": True})
            response._content = _body(response)  # noqa: SLF001  # as requests does when it reads
            response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001
        except (HTTPError, OSError) as error:
            if late.is_set():
                raise Timeout("The deadline has passed.") from None
            if isinstance(error, RequestException):
                raise
            raise NoConnection(type(error).__name__) from error
        finally:
            timer.cancel()
        if late.is_set():
            raise Timeout("The deadline has passed.")
        return response

    def _cut(self, late: threading.Event) -> None:
        late.set()
        for opened in list(self._sockets):
            with suppress(OSError):
                # Past TLS, which must not be touched by two threads; a read in the other one ends.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)


def _body(response: Response) -> bytes:
    body: bytes = response.raw.read(LARGEST_BYTES + 1, decode_content=False)
    if response.headers.get("Content-Encoding") in {"gzip", "deflate"}:
        try:
            body = zlib.decompressobj(ANY_COMPRESSION).decompress(body, LARGEST_BYTES + 1)
        except zlib.error:
            raise ValueError("The answer is not what its header says.") from None
    response.close()
    if len(body) > LARGEST_BYTES:
        raise ValueError("The answer is too large.")
    return body


def _pools(opened: list[socket.socket]) -> dict[str, type[HTTPConnectionPool]]:
    """Return pools whose connections tell their socket as soon as there is one."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            opened.append(super()._new_conn())
            return opened[-1]

    class Encrypted(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            opened.append(super()._new_conn())
            return opened[-1]

    plain = type("Pool", (HTTPConnectionPool,), {"ConnectionCls": Plain})
    encrypted = type("Pool", (HTTPSConnectionPool,), {"ConnectionCls": Encrypted})
    return {"http": plain, "https": encrypted}
