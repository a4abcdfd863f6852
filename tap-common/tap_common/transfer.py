"""How much of an answer is taken, and for how long: what a server may cost, whatever it sends.

Pauses between bytes have their own time-out; a request as a whole has a deadline, which each read
of its connection keeps: headers, chunk sizes and bodies that come byte by byte end there too. A
body is decompressed piece by piece, as far as a limit. It must not know logins or retries.
"""

from __future__ import annotations

import http.client
import io
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tap_common.errors import (
    ReadTimeoutError,
    UnavailableError,
    UnexpectedResponseError,
    UnreachableError,
)

MIB = 1 << 20
PAGE_BYTES = 128 * MIB
"""Of a page: 5,000 rows, as many as the largest has, of 26 kB each."""
TOKEN_BYTES = MIB
ERROR_BYTES = 64 << 10
"""Of an answer that is no page: what comes after the server's first words is left."""

CHUNK_BYTES = 64 << 10
PIECE_BYTES = MIB
# Rows of data compress to a tenth, rows that are nearly alike to a hundredth; most is 1 to 1032.
MOST_RATIO = 200
RATIO_COUNTS_FROM_BYTES = 16 * MIB

ENCODINGS = "gzip, deflate"
GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
CODINGS = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


@dataclass(frozen=True)
class RawResponse:
    """An answer that has been taken in."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed: timedelta


class ResponseTooLargeError(UnexpectedResponseError):
    """A body is larger than what an answer may hold."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"its body {what}.",
            "Set a smaller page_size if the rows are that large; otherwise tell the server's"
            " administrator.",
        )


# -- time ------------------------------------------------------------------------------------------


class _Clock(threading.local):
    deadline: float = float("inf")


_clock = _Clock()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give what this thread requests meanwhile so many seconds, from the first byte to the last."""
    _clock.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        _clock.deadline = float("inf")


class _TimedReader(io.RawIOBase):
    """Reads of a connection, each as long as its time-out and the deadline allow."""

    def __init__(self, raw: Any, connection: Any, deadline: float) -> None:
        self._raw = raw
        self._connection = connection
        self._pause = connection.gettimeout()
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The deadline of the request has passed.")
        self._connection.settimeout(left if self._pause is None else min(self._pause, left))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """A response whose every byte comes before the deadline that its thread had at the request."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedReader(raw, sock, _clock.deadline))


class _TimedConnection(HTTPConnection):
    response_class = _TimedResponse


class _TimedSecureConnection(HTTPSConnection):
    response_class = _TimedResponse


class _TimedPool(HTTPConnectionPool):
    ConnectionCls = _TimedConnection


class _TimedSecurePool(HTTPSConnectionPool):
    ConnectionCls = _TimedSecureConnection


POOLS = {"http": _TimedPool, "https": _TimedSecurePool}


class TimedAdapter(HTTPAdapter):
    """Connections that keep deadlines."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pools of connections through a proxy; those of SOCKS are its own."""
        manager = super().proxy_manager_for(*args, **kwargs)
        if isinstance(manager, urllib3.ProxyManager):
            manager.pool_classes_by_scheme = POOLS
        return manager


# -- size ------------------------------------------------------------------------------------------


def take(response: requests.Response, limit: int) -> RawResponse:
    """Take an answer in: its page, or the beginning of what it says instead of one.

    Raises:
        TooLargeError: The page exceeds the limit.
        ShapeError: It is encoded in a way that nobody asked for.
        requests.RequestException: It broke off, or did not come in time.
    """
    is_page = response.status_code == 200
    try:
        body = _read(response, limit if is_page else ERROR_BYTES, is_page=is_page)
    finally:
        response.close()
    return RawResponse(response.status_code, response.headers, body, response.elapsed)


def _read(response: requests.Response, limit: int, *, is_page: bool) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in _decoded(
            response.headers.get("Content-Encoding", ""), _received(response, limit)
        ):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                if is_page:
                    raise ResponseTooLargeError(f"exceeds {limit // MIB} MiB")
                break
    except (UnexpectedResponseError, requests.RequestException):
        if is_page:
            pieces.clear()  # the error may be kept, and this frame with it
            raise
    return b"".join(pieces)


def _received(response: requests.Response, limit: int) -> Iterator[bytes]:
    """Yield the bytes as they came."""
    size = 0
    try:
        while piece := response.raw.read(CHUNK_BYTES, decode_content=False):
            size += len(piece)
            if size > limit + CHUNK_BYTES:
                raise ResponseTooLargeError(f"exceeds {limit // MIB} MiB")
            yield piece
    except (urllib3.exceptions.TimeoutError, TimeoutError):
        raise requests.ReadTimeout from None
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError):
        raise requests.exceptions.ChunkedEncodingError from None


def _decoded(encoding: str, received: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the body's bytes in pieces of a bounded size."""
    coding = CODINGS.get(encoding.strip().lower())
    if coding is None:
        raise UnexpectedResponseError("it is encoded in a way that was not asked for.")
    return received if not coding else _unpacked(coding, received)


def _unpacked(coding: str, received: Iterator[bytes]) -> Iterator[bytes]:
    unpacker: zlib._Decompress | None = None
    taken = given = 0
    for packed in received:
        taken += len(packed)
        unpacker = unpacker or _unpacker(coding, packed)
        rest = packed
        while rest and not unpacker.eof:
            piece = _unpack(unpacker, rest)
            rest = unpacker.unconsumed_tail
            given += len(piece)
            if given > max(RATIO_COUNTS_FROM_BYTES, MOST_RATIO * taken):
                raise ResponseTooLargeError(f"is compressed more than {MOST_RATIO} times")
            yield piece
    if unpacker is not None and not unpacker.eof:
        raise requests.exceptions.ChunkedEncodingError


def _unpacker(coding: str, packed: bytes) -> zlib._Decompress:
    """Return what unpacks a body; what servers call deflate comes with a header or without."""
    if coding == "gzip":
        return zlib.decompressobj(GZIP)
    has_header = packed[0] & 0x0F == zlib.DEFLATED and int.from_bytes(packed[:2], "big") % 31 == 0
    return zlib.decompressobj(ZLIB if has_header else RAW)


def _unpack(unpacker: zlib._Decompress, packed: bytes) -> bytes:
    try:
        return unpacker.decompress(packed, PIECE_BYTES)
    except zlib.error:
        raise requests.exceptions.ChunkedEncodingError from None


# -- failures --------------------------------------------------------------------------------------


def error_type_for(error: Exception) -> type[UnavailableError]:
    """Return what a failure on the way means for the run."""
    if isinstance(error, requests.ReadTimeout):
        return ReadTimeoutError
    is_connection = isinstance(error, (requests.Timeout, requests.ConnectionError))
    is_cut = isinstance(error, requests.exceptions.ChunkedEncodingError)
    return UnreachableError if is_connection and not is_cut else UnavailableError


def describe_failure(error: Exception) -> str:
    """Return what went wrong on the way, without the URL that the libraries quote."""
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection (certificate or TLS refused)"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
