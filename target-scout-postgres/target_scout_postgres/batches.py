"""BATCH messages: files of records, turned into the RECORD lines that they stand for.

Only files of this machine: their format is JSON lines, plain or compressed by gzip.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote, urlsplit

import msgspec

from target_scout_postgres.errors import DataError

LINES_AT_ONCE = 2_000
BYTES_AT_ONCE = 8 << 20
LONGEST_LINE_BYTES = 256 << 20


class Encoding(msgspec.Struct, frozen=True):
    """How a batch file is written."""

    format: str = "jsonl"
    compression: str | None = None


class Batch(msgspec.Struct):
    """A BATCH message."""

    stream: str
    manifest: list[str]
    encoding: Encoding = Encoding()


def record_lines(line: bytes, number: int) -> Iterator[list[bytes]]:
    """Yield the RECORD lines that a BATCH stands for, some at a time.

    Raises:
        DataError: The message or one of its files cannot be read.
    """
    try:
        batch = msgspec.json.decode(line, type=Batch)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DataError(f"The BATCH in line {number} lacks its stream or manifest.") from None
    if batch.encoding.format != "jsonl" or batch.encoding.compression not in (None, "none", "gzip"):
        raise DataError(
            f"The BATCH in line {number} has another encoding than jsonl with gzip or without "
            "compression. Change the tap's batch_config."
        )
    head = b'{"type":"RECORD","stream":' + msgspec.json.encode(batch.stream) + b',"record":'
    for address in batch.manifest:
        try:
            yield from _file(_path(address, number), batch.encoding.compression, head)
        except (OSError, EOFError, ValueError, zlib.error):
            raise DataError(
                f"A file of the BATCH in line {number} cannot be read. See that the tap and this "
                f"target share it, that it is whole, and that no line exceeds "
                f"{LONGEST_LINE_BYTES >> 20} MiB, then run again."
            ) from None


def _path(address: str, number: int) -> Path:
    parts = urlsplit(address)
    if parts.scheme not in ("", "file"):
        raise DataError(
            f"The BATCH in line {number} names a file of another machine ({parts.scheme}). Let the "
            "tap write its batches to a directory that this target shares."
        )
    return Path(unquote(parts.path))


def _opened(path: Path, compression: str | None) -> IO[bytes]:
    if compression != "gzip":
        return path.open("rb")
    import gzip  # noqa: PLC0415 - start-up: few runs need it

    return cast("IO[bytes]", gzip.open(path))


def _file(path: Path, compression: str | None, head: bytes) -> Iterator[list[bytes]]:
    with _opened(path, compression) as file:
        while lines := _next_lines(file):
            yield [head + text.rstrip() + b"}" for text in lines if not text.isspace()]


def _next_lines(file: IO[bytes]) -> list[bytes]:
    """Return the next lines of a file, which may be much larger than it is while compressed."""
    lines: list[bytes] = []
    size = 0
    while size < BYTES_AT_ONCE and len(lines) < LINES_AT_ONCE:
        line = file.readline(LONGEST_LINE_BYTES + 1)
        if not line:
            break
        if len(line) > LONGEST_LINE_BYTES:
            raise EOFError
        lines.append(line)
        size += len(line)
    return lines
