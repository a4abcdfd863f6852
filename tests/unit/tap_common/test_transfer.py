"""Receiving a body: every coding and chunk, and whatever else a server may send."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from tap_common import transfer
from tap_common.errors import (
    ReadTimeoutError,
    UnavailableError,
    UnexpectedResponseError,
    UnreachableError,
)
from tap_common.transfer import MIB, ResponseTooLargeError, receive

BODY = '{"name":"Amina 🌊","n":1}'.encode() * 50
LIMIT = MIB


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    " GZip ": gzip.compress,
    "deflate": zlib.compress,
}


class Chunks(io.RawIOBase):
    """A connection that delivers a few bytes at a time, and may fail at the end."""

    def __init__(self, data: bytes, size: int, error: Exception | None = None) -> None:
        self._data, self._size, self._error = io.BytesIO(data), size, error

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._data.read(self._size if size < 0 else min(size, self._size))
        if not piece and self._error is not None:
            raise self._error
        return piece


def response(
    data: bytes,
    encoding: str = "",
    *,
    status: int = 200,
    chunk: int = 1 << 16,
    error: Exception | None = None,
) -> requests.Response:
    """Return a response as the library hands it over, before its body is read."""
    made = requests.Response()
    made.status_code = status
    made.headers["Content-Encoding"] = encoding
    made.raw = urllib3.HTTPResponse(
        Chunks(data, chunk, error), status=status, preload_content=False, decode_content=False
    )
    made.elapsed = timedelta(seconds=1)
    return made


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16], ids=["byte by byte", "small", "at once"])
@pytest.mark.parametrize("encoding", PACK, ids=lambda text: text or "none")
def test_a_body_is_received_whatever_its_coding_and_chunks(encoding, chunk):
    received = receive(response(PACK[encoding](BODY), encoding, chunk=chunk), LIMIT)

    assert (received.status, received.body) == (200, BODY)


@given(body=st.binary(max_size=3000), chunk=st.integers(1, 500))
def test_deflate_is_unpacked_with_a_zlib_header_and_without(body, chunk):
    for pack in (zlib.compress, raw_deflate):
        assert receive(response(pack(body), "deflate", chunk=chunk), LIMIT).body == body


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "\x00"])
def test_a_coding_that_was_not_requested_is_an_unexpected_response(encoding):
    with pytest.raises(UnexpectedResponseError, match="was not requested"):
        receive(response(BODY, encoding), LIMIT)


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
def test_a_page_may_be_as_large_as_the_limit(size):
    assert len(receive(response(b"x" * size), LIMIT).body) == size


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
def test_a_larger_page_is_an_error_that_says_what_to_set(encoding):
    with pytest.raises(ResponseTooLargeError, match="exceeds 1 MiB") as caught:
        receive(response(PACK[encoding](b"x" * (LIMIT + 1)), encoding), LIMIT)

    assert "page_size" in str(caught.value)


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = gzip.compress(b"\x00" * (64 * MIB), 9)
    with pytest.raises(ResponseTooLargeError, match="compressed more than 200 times"):
        receive(response(bomb, "gzip"), 128 * MIB)


def test_an_error_response_is_cut_off_instead_of_refused():
    received = receive(response(b"y" * (8 * transfer.MAX_ERROR_BYTES), status=500), LIMIT)

    assert received.status == 500
    assert transfer.MAX_ERROR_BYTES <= len(received.body) <= 2 * transfer.MAX_ERROR_BYTES


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-9],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:3],
        lambda _: b"not packed at all",
        lambda packed: packed[:20] + b"\xff" * 20 + packed[40:],
    ],
    ids=["no trailer", "half", "header only", "another coding", "damaged"],
)
def test_a_damaged_page_is_cut_off_which_is_retried(encoding, damage):
    packed = damage(PACK[encoding](BODY * 3 + bytes(range(256))))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        receive(response(packed, encoding), LIMIT)


def test_a_damaged_error_response_keeps_what_was_readable():
    received = receive(response(gzip.compress(BODY)[:-9], "gzip", status=502), LIMIT)

    assert received.status == 502
    assert BODY.startswith(received.body[:20])


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_body_of_one_byte_is_cut_off_and_an_empty_one_is_empty(encoding):
    assert receive(response(b"", encoding), LIMIT).body == b""
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        receive(response(b"\x78", encoding), LIMIT)


def test_what_follows_the_end_of_a_packed_body_is_ignored():
    assert receive(response(gzip.compress(BODY) + b"trailing", "gzip"), LIMIT).body == BODY


def read_timeout() -> Exception:
    return urllib3.exceptions.ReadTimeoutError(None, "/", "slow")  # type: ignore[arg-type]  # no pool


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (TimeoutError(), requests.ReadTimeout),
        (read_timeout(), requests.ReadTimeout),
        (ConnectionResetError(), requests.exceptions.ChunkedEncodingError),
        (urllib3.exceptions.ProtocolError("broken"), requests.exceptions.ChunkedEncodingError),
    ],
    ids=["time-out", "time-out of the library", "reset", "protocol"],
)
def test_a_connection_that_fails_inside_a_body_is_a_failed_transfer(error, raised):
    with pytest.raises(raised):
        receive(response(BODY, error=error), LIMIT)


FAILURES: list[tuple[Exception, type[UnavailableError], str]] = [
    (requests.ReadTimeout("https://hq/?token=s3cret"), ReadTimeoutError, "timed out"),
    (requests.ConnectTimeout("https://hq/?token=s3cret"), UnreachableError, "timed out"),
    (requests.ConnectionError("https://hq/?token=s3cret"), UnreachableError, "no connection"),
    (
        requests.exceptions.SSLError("https://hq/?token=s3cret"),
        UnreachableError,
        "TLS failed (certificate or protocol refused)",
    ),
    (
        requests.exceptions.ChunkedEncodingError("s3cret"),
        UnavailableError,
        "the response was cut off",
    ),
    (requests.exceptions.InvalidHeader("s3cret"), UnavailableError, "InvalidHeader"),
]


@pytest.mark.parametrize(
    ("error", "kind", "text"), FAILURES, ids=[type(each[0]).__name__ for each in FAILURES]
)
def test_a_failure_has_a_type_and_a_text_without_the_url(error, kind, text):
    assert transfer.error_type_for(error) is kind
    assert transfer.describe_failure(error) == text


class Connection:
    """A socket that only keeps its time-out."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout

    def gettimeout(self) -> float | None:
        return self.timeout

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds


def reader(timeout: float | None, seconds: float) -> tuple[io.BufferedReader, Connection]:
    connection: Any = Connection(timeout)
    with transfer.deadline(seconds):
        timed = transfer._TimedReader(io.BytesIO(BODY), connection, transfer._clock.deadline)
    return io.BufferedReader(timed), connection


@pytest.mark.parametrize(
    ("timeout", "seconds", "least", "most"),
    [(5, 1000, 5, 5), (1000, 5, 4, 5), (None, 5, 4, 5)],
    ids=["the pause is shorter", "the deadline is nearer", "no pause is set"],
)
def test_a_read_waits_no_longer_than_pause_and_deadline_allow(timeout, seconds, least, most):
    body, connection = reader(timeout, seconds)

    assert body.read() == BODY
    assert connection.timeout is not None
    assert least <= connection.timeout <= most


def test_nothing_is_read_after_the_deadline():
    body, _ = reader(5, -1)
    with pytest.raises(TimeoutError):
        body.read()


def test_a_deadline_ends_with_its_block():
    with transfer.deadline(5):
        assert transfer._clock.deadline < float("inf")
    assert transfer._clock.deadline == float("inf")
