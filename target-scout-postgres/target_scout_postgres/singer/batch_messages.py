"""BATCH messages: files of records, turned into the RECORD lines that they stand for.

Only files of this machine: their format is JSON lines, plain or compressed by gzip. All files of a
message are looked through before the first record is handed on, so that a broken one leaves
nothing half-loaded.
"""

from __future__ import annotations

import codecs
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
from target_scout_postgres.singer.messages import ABSENT, DEEPEST

LINES_AT_ONCE = 2_000
BYTES_AT_ONCE = 8 << 20
LONGEST_LINE_BYTES = 256 << 20
COMPRESSIONS = (None, "none", "gzip")
FILE_URL = re.compile(r"file:(?://(?P<host>[^/]*))?(?P<path>.*)\Z", re.IGNORECASE | re.DOTALL)
OTHER_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://", re.IGNORECASE)
SPACE = b" \t\r\n"
VALUE = msgspec.json.Decoder(Raw)
VALUES = msgspec.json.Decoder(list[Raw])


class Encoding(msgspec.Struct, frozen=True):
    """How a batch file is written."""

    format: str = "jsonl"
    compression: str | None = None


class Batch(msgspec.Struct):
    """A BATCH message."""

    stream: str
    manifest: list[str]
    encoding: Encoding = Encoding()
    version: Raw = ABSENT

    @property
    def head(self) -> bytes:
        """Return how the RECORD lines of its records begin."""
        version = b',"version":' + bytes(self.version) if self.version else b""
        stream = msgspec.json.encode(self.stream)
        return b'{"type":"RECORD","stream":' + stream + version + b',"record":'


class Lines(NamedTuple):
    """RECORD lines for lines of a file that follow each other; empty ones for its empty ones."""

    file: str
    first: int
    lines: list[bytes]
    batch: int  # number of the BATCH's line, which the lines here are counted from

    def place(self, line: int) -> str:
        """Return where a line is, by its number among all lines."""
        return f"Line {line - self.batch + self.first - 1} of the batch file {self.file}"


class BrokenError(Exception):
    """A file cannot be read; the text says why."""


def record_lines(line: bytes, number: int) -> Iterator[Lines]:
    """Yield the RECORD lines that a BATCH stands for, some at a time.

    Raises:
        DataError: The message or one of its files cannot be read.
    """
    batch = _decoded(line, number)
    compression = batch.encoding.compression
    paths = [(address, _path(address, number)) for address in batch.manifest]
    for address, path in paths:
        with _told(address, number):
            _look_through(path, compression)
    for address, path in paths:
        first = 1
        with _told(address, number):
            for lines in _lines(path, compression):
                made = [batch.head + text + b"}" if text else b"" for text in lines]
                yield Lines(str(path), first, made, number)
                first += len(lines)


def _decoded(line: bytes, number: int) -> Batch:
    try:
        batch = msgspec.json.decode(line, type=Batch)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DataError(f"The BATCH in line {number} lacks its stream or manifest.") from None
    if batch.encoding.format != "jsonl" or batch.encoding.compression not in COMPRESSIONS:
        raise DataError(
            f"The BATCH in line {number} has another encoding than jsonl with gzip or without "
            "compression. Change the tap's batch_config."
        )
    return batch


@contextmanager
def _told(address: str, number: int) -> Iterator[None]:
    """Say which file cannot be read, and why."""
    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error, BrokenError) as error:
        raise DataError(
            f"The file {address} of the BATCH in line {number} cannot be read: {_reason(error)}. "
            "Nothing of this BATCH was loaded. See that the tap and this target share the file, "
            "and that it is whole, then run again."
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, BrokenError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return REASONS.get(type(error), "it is not compressed by gzip, or damaged")


REASONS = {
    EOFError: "it is cut off",
    ValueError: "this is no name of a file",
    UnicodeEncodeError: "this is no name of a file",
}


def _path(address: str, number: int) -> Path:
    """Return the file that an address names: a path, or a URL.

    Taps write URLs with and without percent-encoding, and relative paths behind `file://`.
    """
    found = FILE_URL.match(address)
    if found is None:
        if other := OTHER_URL.match(address):
            raise DataError(
                f"The BATCH in line {number} names a file of another machine "
                f"({other.group('scheme')}). Let the tap write its batches to a directory that "
                "this target shares."
            )
        return Path(address)
    host = found.group("host") or ""
    literal = ("" if host.lower() == "localhost" else host) + found.group("path")
    decoded = Path(unquote(literal))
    try:
        return decoded if decoded.exists() or not Path(literal).exists() else Path(literal)
    except (OSError, ValueError):
        return decoded


def _look_through(path: Path, compression: str | None) -> None:
    """See that every line of a file is one JSON value.

    Raises:
        BrokenError: One is not.
    """
    number = 0
    for lines in _lines(path, compression):
        if not _are_values([text for text in lines if text]):
            for text in lines:
                number += 1
                _check_line(text, number)
        else:
            number += len(lines)


def _are_values(lines: list[bytes]) -> bool:
    """Return whether each line is one JSON value, by a look at all of them together."""
    try:
        return list(map(bytes, VALUES.decode(b"[" + b",".join(lines) + b"]"))) == lines
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _check_line(text: bytes, number: int) -> None:
    try:
        if text:
            VALUE.decode(text)
    except RecursionError:
        raise BrokenError(f"its line {number} is nested more than {DEEPEST} levels deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BrokenError(f"its line {number} is not JSON") from None


@contextmanager
def _opened(path: Path, compression: str | None) -> Iterator[IO[bytes]]:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
        raise BrokenError("it is not a regular file")
    if compression != "gzip":
        with path.open("rb") as file:
            yield file
        return
    import gzip  # noqa: PLC0415 - start-up: few runs need it

    if not status.st_size:  # which gzip takes for the end
        raise EOFError
    with gzip.open(path) as file:
        yield cast("IO[bytes]", file)


def _lines(path: Path, compression: str | None) -> Iterator[list[bytes]]:
    """Yield the lines of a file, some at a time, without the space around them."""
    with _opened(path, compression) as file:
        is_first = True
        while lines := _next_lines(file):
            if is_first:
                lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
                is_first = False
            yield [text.strip(SPACE) for text in lines]


def _next_lines(file: IO[bytes]) -> list[bytes]:
    """Return the next lines of a file, which may be much larger than it is while compressed."""
    lines: list[bytes] = []
    size = 0
    while size < BYTES_AT_ONCE and len(lines) < LINES_AT_ONCE:
        line = file.readline(LONGEST_LINE_BYTES + 1)
        if not line:
            break
        if len(line) > LONGEST_LINE_BYTES:
            raise BrokenError(f"it has a line of more than {LONGEST_LINE_BYTES >> 20} MiB")
        lines.append(line)
        size += len(line)
    return lines
