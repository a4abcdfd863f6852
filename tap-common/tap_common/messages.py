"""Writes Singer messages to stdout: records by joining bytes, all others through the SDK.

A page of records and the state after it are written together, under one lock. This module does not
know where records come from.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from singer_sdk.contrib.msgspec import enc_hook
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message

from tap_common.errors import OutputClosedError
from tap_common.signals import SignalHandler
from tap_common.timestamps import to_rfc3339

Record = dict[str, Any]
AnyRecord = Record | msgspec.Struct
"""A record, or an object with a field for each of its columns."""

ENCODER = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number")
PIECE_BYTES = 1 << 20


class BufferedWriter(GenericSingerWriter[bytes, Message]):
    """Writes messages to stdout, without a flush after each."""

    def serialize_message(self, message: Message) -> bytes:
        """Return a message as one line."""
        return ENCODER.encode(message.to_dict()) + b"\n"

    def write_message(self, message: Message) -> None:
        """Write a message."""
        write(self.serialize_message(message))


def write(line: bytes | bytearray) -> None:
    """Write bytes to stdout.

    Raises:
        OutputClosedError: The target has exited.
    """
    try:
        sys.stdout.buffer.write(line)
    except BrokenPipeError:
        raise output_closed() from None


def flush() -> None:
    """Flush stdout.

    Raises:
        OutputClosedError: The target has exited.
    """
    try:
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise output_closed() from None


def output_closed() -> OutputClosedError:
    """Return the error of a pipe that has no reader."""
    return OutputClosedError("Output pipe closed: the target exited.", "See the target's log.")


def as_dict(record: AnyRecord) -> Record:
    """Return a record as a dictionary by column."""
    return record if isinstance(record, dict) else msgspec.structs.asdict(record)


class RecordEncoder:
    """Encodes the records of one stream.

    Args:
        stream: Its name in the messages.
        columns: The columns to write, or None for all of a record.
        version: The version that the messages carry, for a stream that is read in full.
    """

    def __init__(self, stream: str, columns: frozenset[str] | None, version: int | None) -> None:
        self._prefix = b'{"type":"RECORD","stream":' + msgspec.json.encode(stream) + b',"record":'
        self._columns = columns
        self._version = b"" if version is None else b',"version":%d' % version

    def encode(self, records: Iterable[AnyRecord]) -> Iterable[bytearray]:
        """Return the messages of a page, joined into pieces of about a megabyte."""
        now = to_rfc3339(datetime.now(UTC)).encode()
        suffix = self._version + b',"time_extracted":"' + now + b'"}\n'
        prefix, columns, encode_into = self._prefix, self._columns, ENCODER.encode_into
        piece = bytearray()
        for record in records:
            piece += prefix
            if columns is None:
                encode_into(record, piece, -1)
            else:
                kept = {name: value for name, value in as_dict(record).items() if name in columns}
                encode_into(kept, piece, -1)
            piece += suffix
            if len(piece) >= PIECE_BYTES:
                yield piece
                piece = bytearray()
        if piece:
            yield piece


class Output:
    """Everything that is written during a sync goes through this object.

    ``lock`` is held while a page and its state are written: the pages of streams that are read at
    the same time must not mix with each other's states.
    """

    def __init__(self, signals: SignalHandler) -> None:
        self.lock = threading.RLock()
        self.signals = signals

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Write several messages without interruption by another thread or a signal."""
        with self.signals.deferred(), self.lock:
            yield

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Write a STATE message, and flush.

        A state without bookmarks is not written: a target would replace the stored state by it.
        """
        if state.get("bookmarks"):
            write(ENCODER.encode({"type": "STATE", "value": state}) + b"\n")
        flush()
