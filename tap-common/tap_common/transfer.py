"""Receives responses within limits of size and time, whatever a server sends.

A pause between bytes has its own time-out; a request as a whole has a deadline, which every read of
its connection observes: headers, chunk sizes and bodies that come byte by byte end there too. A
body is decompressed piece by piece, up to a limit. This module knows neither auth nor retries.
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
MAX_PAGE_BYTES = 128 * MIB
"""5,000 rows, the largest number in any page, of 26 kB each."""
MAX_TOKEN_BYTES = MIB
MAX_ERROR_BYTES = 64 << 10
"""How much is read of a response that is not a page."""

CHUNK_BYTES = 64 << 10
PIECE_BYTES = MIB
# Rows of data compress to a tenth, nearly identical ones to a hundredth; deflate reaches 1 to 1032.
MAX_RATIO = 200
RATIO_CHECKED_FROM_BYTES = 16 * MIB
ZLIB_HEADER_BYTES = 2

ENCODINGS = "gzip, deflate"
GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
CODINGS = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


@dataclass(frozen=True)
class RawResponse:
    """A response that has been received completely."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed: timedelta


class ResponseTooLargeError(UnexpectedResponseError):
    """A body is larger than a response may be."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"its body {what}.",
            "Set a smaller page_size if the rows are that large; otherwise contact the server's"
            " administrator.",
        )


class _Clock(threading.local):
    deadline: float = float("inf")


_clock = _Clock()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Limit the requests that this thread sends in the block, from the first to the last byte."""
    _clock.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        _clock.deadline = float("inf")


class _TimedReader(io.RawIOBase):
    """Reads from a connection, for as long as its time-out and the deadline allow."""

    def __init__(self, raw: Any, connection: Any, deadline: float) -> None:
        self._raw = raw
        self._connection = connection
        self._timeout = connection.gettimeout()
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The deadline of the request has passed.")
        self._connection.settimeout(left if self._timeout is None else min(self._timeout, left))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """A response that is read until the deadline that its thread had when it sent the request."""

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
    """Provides connections that observe deadlines."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the connection pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the connection pools of a proxy; a SOCKS proxy keeps its own classes."""
        manager = super().proxy_manager_for(*args, **kwargs)
        if isinstance(manager, urllib3.ProxyManager):
            manager.pool_classes_by_scheme = POOLS
        return manager


def receive(response: requests.Response, limit: int) -> RawResponse:
    """Receive a page, or the beginning of an error response.

    Args:
        response: A response whose body has not been read.
        limit: The most bytes of a page, also decompressed.

    Raises:
        ResponseTooLargeError: The page exceeds the limit.
        UnexpectedResponseError: It has a content encoding that was not requested.
        requests.RequestException: It was cut off, or did not arrive in time.
    """
    is_page = response.status_code == 200
    try:
        body = _read(response, limit if is_page else MAX_ERROR_BYTES, is_page=is_page)
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
            pieces.clear()  # the error may be kept for long, and this frame with it
            raise
    return b"".join(pieces)


def _received(response: requests.Response, limit: int) -> Iterator[bytes]:
    """Yield the bytes as received."""
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
        raise UnexpectedResponseError("its content encoding was not requested.")
    return received if not coding else _unpacked(coding, received)


def _unpacked(coding: str, received: Iterator[bytes]) -> Iterator[bytes]:
    unpacker: zlib._Decompress | None = None
    taken = given = 0
    rest = b""
    for packed in received:
        taken += len(packed)
        if unpacker is not None and unpacker.eof:
            continue  # what follows the end is received, and ignored
        rest += packed
        if unpacker is None and len(rest) < ZLIB_HEADER_BYTES:
            continue  # only these tell both kinds of deflate apart
        unpacker = unpacker or _unpacker(coding, rest)
        while rest and not unpacker.eof:
            piece = _unpack(unpacker, rest)
            rest = unpacker.unconsumed_tail
            given += len(piece)
            if given > max(RATIO_CHECKED_FROM_BYTES, MAX_RATIO * taken):
                raise ResponseTooLargeError(f"is compressed more than {MAX_RATIO} times")
            yield piece
    if taken and (unpacker is None or not unpacker.eof):
        raise requests.exceptions.ChunkedEncodingError


def _unpacker(coding: str, packed: bytes) -> zlib._Decompress:
    """Return a decompressor; servers send ``deflate`` with a zlib header or without."""
    if coding == "gzip":
        return zlib.decompressobj(GZIP)
    has_header = packed[0] & 0x0F == zlib.DEFLATED and int.from_bytes(packed[:2], "big") % 31 == 0
    return zlib.decompressobj(ZLIB if has_header else RAW)


def _unpack(unpacker: zlib._Decompress, packed: bytes) -> bytes:
    try:
        return unpacker.decompress(packed, PIECE_BYTES)
    except zlib.error:
        raise requests.exceptions.ChunkedEncodingError from None


def error_type_for(error: Exception) -> type[UnavailableError]:
    """Return the type of error that the run reports for a failed transfer."""
    if isinstance(error, requests.ReadTimeout):
        return ReadTimeoutError
    is_connection = isinstance(error, (requests.Timeout, requests.ConnectionError))
    is_cut = isinstance(error, requests.exceptions.ChunkedEncodingError)
    return UnreachableError if is_connection and not is_cut else UnavailableError


def describe_failure(error: Exception) -> str:
    """Return what went wrong in a transfer, without the URL that the libraries quote."""
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed (certificate or protocol refused)"
    if isinstance(error, requests.Timeout):
        return "timed out"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the response was cut off"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
