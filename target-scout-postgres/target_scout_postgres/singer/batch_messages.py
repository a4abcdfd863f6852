"""BATCH messages: files of records, turned into the RECORD lines that they stand for.

Only local files of JSON lines, plain or compressed by gzip. Every file of a message is checked
before its first record is loaded, so that a broken one leaves nothing half loaded.
"""

from __future__ import annotations

import codecs
import gzip
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast
from urllib.parse import unquote

import msgspec
from msgspec import Raw

from target_scout_postgres.errors import DataError
from target_scout_postgres.singer.messages import ABSENT, MAX_DEPTH

CHUNK_LINES = 2_000
CHUNK_BYTES = 8 << 20
MAX_LINE_BYTES = 256 << 20
COMPRESSIONS = (None, "none", "gzip")
FILE_URL = re.compile(r"file:(?://(?P<host>[^/]*))?(?P<path>.*)\Z", re.IGNORECASE | re.DOTALL)
OTHER_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://", re.IGNORECASE)
WHITESPACE = b" \t\r\n"
VALUE_DECODER = msgspec.json.Decoder(Raw)
VALUES_DECODER = msgspec.json.Decoder(list[Raw])


class Encoding(msgspec.Struct, frozen=True):
    """How a batch file is written."""

    format: str = "jsonl"
    compression: str | None = None


class BatchMessage(msgspec.Struct):
    """A BATCH message."""

    stream: str
    manifest: list[str]
    encoding: Encoding = Encoding()
    version: Raw = ABSENT

    @property
    def record_head(self) -> bytes:
        """Return the beginning of the RECORD lines of its records."""
        version = b',"version":' + bytes(self.version) if self.version else b""
        stream = msgspec.json.encode(self.stream)
        return b'{"type":"RECORD","stream":' + stream + version + b',"record":'


class BatchLines(NamedTuple):
    """RECORD lines of adjacent lines of a file; empty lines stay empty."""

    file: str
    first: int
    lines: list[bytes]
    message_line: int  # line of the BATCH, from which the engine counts these lines

    def describe(self, line: int) -> str:
        """Return where a line is, by the engine's line number."""
        number = line - self.message_line + self.first - 1
        return f"Line {number} of the batch file {self.file}"


class BrokenFileError(Exception):
    """A batch file cannot be read; the text is the reason."""


def record_lines(line: bytes, number: int) -> Iterator[BatchLines]:
    """Yield the RECORD lines that a BATCH stands for, in chunks.

    Raises:
        DataError: The message or one of its files cannot be read.
    """
    message = _decode(line, number)
    compression = message.encoding.compression
    paths = [(address, _path(address, number)) for address in message.manifest]
    for address, path in paths:
        with _naming_the_file(address, number):
            _check_file(path, compression)
    for address, path in paths:
        first = 1
        with _naming_the_file(address, number):
            for texts in _chunks(path, compression):
                lines = [message.record_head + text + b"}" if text else b"" for text in texts]
                yield BatchLines(str(path), first, lines, number)
                first += len(lines)


def _decode(line: bytes, number: int) -> BatchMessage:
    try:
        message = msgspec.json.decode(line, type=BatchMessage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DataError(f"The BATCH in line {number} lacks its stream or manifest.") from None
    encoding = message.encoding
    if encoding.format != "jsonl" or encoding.compression not in COMPRESSIONS:
        raise DataError(
            f"The BATCH in line {number} has an unsupported encoding. Only jsonl, plain or with "
            "gzip, is supported: change the tap's batch_config."
        )
    return message


@contextmanager
def _naming_the_file(address: str, number: int) -> Iterator[None]:
    """Turn an error in reading a file into one that names it."""
    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error, BrokenFileError) as error:
        raise DataError(
            f"The file {address} of the BATCH in line {number} cannot be read: {_reason(error)}. "
            "Nothing of this BATCH was loaded. Check that the tap and this target share the file, "
            "and that it is complete, then run again."
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, BrokenFileError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return REASONS.get(type(error), "it is damaged, or not compressed by gzip")


REASONS = {
    EOFError: "it is truncated",
    ValueError: "this is not a file name",
    UnicodeEncodeError: "this is not a file name",
}


def _path(address: str, number: int) -> Path:
    """Return the file at an address: a path, or a URL.

    Taps write URLs with and without percent-encoding, and relative paths after `file://`.
    """
    url = FILE_URL.match(address)
    if url is None:
        if other := OTHER_URL.match(address):
            raise DataError(
                f"The BATCH in line {number} names a remote file ({other.group('scheme')}). Let "
                "the tap write its batches to a directory that this target shares."
            )
        return Path(address)
    host = url.group("host") or ""
    literal = ("" if host.lower() == "localhost" else host) + url.group("path")
    decoded = Path(unquote(literal))
    try:
        return decoded if decoded.exists() or not Path(literal).exists() else Path(literal)
    except (OSError, ValueError):
        return decoded


def _check_file(path: Path, compression: str | None) -> None:
    """Check that every line of a file is one JSON value.

    Raises:
        BrokenFileError: A line is not.
    """
    number = 0
    for lines in _chunks(path, compression):
        if _are_values([text for text in lines if text]):
            number += len(lines)
            continue
        for text in lines:
            number += 1
            _check_line(text, number)


def _are_values(lines: list[bytes]) -> bool:
    """Return whether each line is one JSON value; one decoding of all is faster than many."""
    try:
        return list(map(bytes, VALUES_DECODER.decode(b"[" + b",".join(lines) + b"]"))) == lines
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _check_line(text: bytes, number: int) -> None:
    try:
        if text:
            VALUE_DECODER.decode(text)
    except RecursionError:
        raise BrokenFileError(
            f"its line {number} is nested more than {MAX_DEPTH} levels deep"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BrokenFileError(f"its line {number} is not JSON") from None


@contextmanager
def _opened(path: Path, compression: str | None) -> Iterator[IO[bytes]]:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would block
        raise BrokenFileError("it is not a regular file")
    if compression != "gzip":
        with path.open("rb") as file:
            yield file
        return
    if not status.st_size:  # gzip takes an empty file for a complete one
        raise EOFError
    with gzip.open(path) as file:
        yield cast("IO[bytes]", file)


def _chunks(path: Path, compression: str | None) -> Iterator[list[bytes]]:
    """Yield the lines of a file in chunks, without surrounding whitespace."""
    with _opened(path, compression) as file:
        is_first = True
        while lines := _next_lines(file):
            if is_first:
                lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
                is_first = False
            yield [text.strip(WHITESPACE) for text in lines]


def _next_lines(file: IO[bytes]) -> list[bytes]:
    # Bounded in lines and bytes: a file may be much larger than its compressed size.
    lines: list[bytes] = []
    size = 0
    while size < CHUNK_BYTES and len(lines) < CHUNK_LINES:
        line = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            break
        if len(line) > MAX_LINE_BYTES:
            raise BrokenFileError(f"it has a line of more than {MAX_LINE_BYTES >> 20} MiB")
        lines.append(line)
        size += len(line)
    return lines
