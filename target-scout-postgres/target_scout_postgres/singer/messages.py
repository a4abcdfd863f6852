"""Singer messages: the envelope, what a SCHEMA says, and the learnt beginning of RECORD lines.

Independent of tables.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Raw

from target_scout_postgres.encoding.stream_schema import Property, StreamSchema
from target_scout_postgres.errors import (
    DataError,
    InvalidRecordError,
    MissingSchemaError,
    SchemaError,
)
from target_scout_postgres.singer.json_schema import column_type, is_nullable

ABSENT = Raw(b"")


class Message(msgspec.Struct, gc=False):
    """Any Singer message, its parts still undecoded."""

    type: str
    stream: str | None = None
    record: Raw = ABSENT
    value: Raw = ABSENT
    schema: Raw = ABSENT
    key_properties: Raw = ABSENT
    bookmark_properties: Raw = ABSENT
    version: Raw = ABSENT
    time_extracted: Raw = ABSENT


class UnmappedRecord(NamedTuple):
    """A record to which stream maps cannot be applied; it must not be stored as it came."""

    number: int  # of its line
    stream: str
    reason: InvalidRecordError


class MappedLines(NamedTuple):
    """The lines that stream maps made of adjacent lines, one of each."""

    number: int  # of the first line
    lines: list[bytes]


class LineMapper(Protocol):
    """Applies stream maps and flattening to lines."""

    def map_lines(
        self, lines: Sequence[bytes], number: int
    ) -> Iterator[MappedLines | UnmappedRecord]:
        """Yield the lines to load instead, and the records that could not be mapped."""

    def tap_stream(self, stream: str) -> str:
        """Return the tap's name of a stream, which its STATE uses."""

    def mapped_streams(self, stream: str) -> Sequence[str]:
        """Return the streams that a stream of the tap is mapped to."""


MAX_DEPTH = 5_000  # nested objects and arrays
MESSAGE_DECODER = msgspec.json.Decoder(Message)
EMPTY_STATES = (b"{}", b"null", b"[]", b'""')
VERSION = {"version": 0}  # allowed before the record: the fast path reads it from the line


def allow_deep_nesting() -> None:
    """Raise Python's recursion limit, which bounds how deeply msgspec decodes."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), MAX_DEPTH))


def decode(line: bytes, number: int) -> Message:
    """Return the message of a line.

    Raises:
        DataError: The line is not JSON, or not a Singer message.
    """
    try:
        return MESSAGE_DECODER.decode(line)
    except msgspec.ValidationError:
        raise DataError(
            f"Line {number} is not a Singer message: it must be a JSON object with a type. "
            "Correct what writes to this target, then run again."
        ) from None
    except RecursionError:
        raise DataError(
            f"Line {number} is nested more than {MAX_DEPTH} levels deep. Correct the source, or "
            "deselect the stream."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DataError(
            f"Line {number} is not JSON. Check whether the tap was cut off, or something other "
            "than the tap writes to its standard output, then run again."
        ) from None


def record_prefix(line: bytes, stream: str) -> bytes | None:
    """Return how this stream's RECORD lines begin, up to the record.

    None if that beginning alone does not identify them: other lines could begin like it.
    """
    head, separator, _ = line.partition(b'"record"')
    try:
        members = msgspec.json.decode(head.rstrip().rstrip(b",") + b"}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    plain = {"type": "RECORD", "stream": stream}
    is_enough = separator and isinstance(members, dict) and members | VERSION == plain | VERSION
    return head + separator if is_enough else None


def stream_schema(message: Message, number: int) -> StreamSchema:
    """Return what a SCHEMA message says.

    Raises:
        SchemaError: A part is missing or malformed.
    """
    schema = decode_part(message.schema, number)
    key = decode_part(message.key_properties, number) or []
    if not message.stream or not isinstance(schema, dict):
        raise SchemaError(f"The SCHEMA in line {number} lacks its stream or its schema.")
    properties = schema.get("properties")
    required = schema.get("required") or []
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise SchemaError(
            f"The SCHEMA of stream {message.stream} in line {number} is invalid: properties must "
            "be an object, and required a list."
        )
    names = list(properties)  # a list, because a malformed key may hold unhashable values
    if not isinstance(key, list) or any(name not in names for name in key):
        raise SchemaError(
            f"The SCHEMA of stream {message.stream} in line {number} names a key property that is "
            "not among its properties. Correct the tap."
        )
    return StreamSchema(
        stream=message.stream,
        properties=tuple(
            Property(
                name=name,
                type=column_type(member, schema),
                required=name in required or name in key,
                nullable=is_nullable(member, schema) and name not in key,
            )
            for name, member in properties.items()
        ),
        key=tuple(dict.fromkeys(key)),
        has_bookmark=bool(decode_part(message.bookmark_properties, number)),
    )


def stream_of(message: Message, number: int) -> str:
    """Return the stream of a message.

    Raises:
        DataError: It has none.
    """
    if not message.stream:
        raise DataError(f"Line {number} is a {message.type} without a stream.")
    return message.stream


def missing_schema(message: Message, number: int) -> MissingSchemaError:
    """Return the error of a message that precedes its stream's SCHEMA."""
    return MissingSchemaError(
        f"Line {number} is a {message.type} of the stream {message.stream}, but no SCHEMA of that "
        "stream precedes it. Correct the tap."
    )


def activated_before_schema(message: Message, number: int) -> str:
    """Return the warning about an ACTIVATE_VERSION that precedes its stream's SCHEMA."""
    what = f"ACTIVATE_VERSION of the stream {message.stream} precedes its SCHEMA"
    return f"line {number}: {what}; it was ignored"


def state_of(message: Message, number: int) -> bytes | None:
    """Return the value of a STATE; None if it is empty.

    Raises:
        DataError: It has no value, or is not UTF-8.
    """
    if not message.value:
        raise DataError(f"Line {number} is a STATE without a value.")
    value = bytes(message.value)
    try:
        value.decode()
    except UnicodeDecodeError:
        raise DataError(f"Line {number} is a STATE that is not UTF-8.") from None
    return None if value.strip() in EMPTY_STATES else value


def version_of(message: Message, number: int) -> int | None:
    """Return the version of a message.

    Raises:
        DataError: It is not a 64-bit integer.
    """
    version = decode_part(message.version, number)
    if version is None:
        return None
    if (
        isinstance(version, int)
        and not isinstance(version, bool)
        and -(1 << 63) <= version < 1 << 63
    ):
        return version
    raise DataError(f"The version in line {number} is not a 64-bit integer. Correct the tap.")


def decode_part(raw: Raw, number: int) -> Any:
    """Return the value of a message's part; None if it is absent.

    Raises:
        DataError: It cannot be decoded.
    """
    try:
        return msgspec.json.decode(raw) if raw else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise DataError(
            f"Line {number} holds a number too large, or text that is not UTF-8, where a schema, "
            "a key or a version should be. Correct the tap."
        ) from None
