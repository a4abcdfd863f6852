"""Singer messages as they come: the envelope, text that Postgres cannot hold, the learnt prefix.

Knows nothing of tables.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Raw

from target_scout_postgres.encoding.column_types import column_type, is_nullable
from target_scout_postgres.encoding.stream_schema import Property, StreamSchema
from target_scout_postgres.errors import (
    DataError,
    MissingSchemaError,
    RefusedError,
    SchemaError,
)

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


class Unmapped(NamedTuple):
    """A record that stream maps cannot be applied to: what they hide is kept nowhere."""

    number: int  # of its line
    stream: str
    reason: RefusedError


class Mapped(NamedTuple):
    """Lines that stream maps have made of lines which follow each other, one of each."""

    number: int  # of the first
    lines: list[bytes]


class Translation(Protocol):
    """Stream maps and flattening."""

    def parts(self, lines: Sequence[bytes], number: int) -> Iterator[Mapped | Unmapped]:
        """Yield what they make of lines, and the records that they cannot be applied to."""

    def source_of(self, stream: str) -> str:
        """Return what the tap calls a stream of the target."""


DEEPEST = 5_000  # levels of objects and arrays that are read
sys.setrecursionlimit(max(sys.getrecursionlimit(), DEEPEST))
MESSAGE = msgspec.json.Decoder(Message)
NULL = Raw(b"null")
EMPTY_STATES = (b"{}", b"null", b"[]", b'""')
VERSION = {"version": 0}  # may stand before the record: the fast way reads it from the line

# An escape sequence counts when the backslashes before it pair up.
NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
SURROGATES = re.compile(
    rb"(?<!\\)((?:\\\\)*)((?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})+)"
    rb"|(?<!\\)((?:\\\\)*)\\u[dD][89abcdefABCDEF][0-9a-fA-F]{2}"
)
STATE_LINE = re.compile(rb'\s*\{\s*"type"\s*:\s*"STATE"')
SUSPECTS = (rb"\u0000", rb"\ud", rb"\uD")


def is_suspect(text: bytes) -> bool:
    """Tell whether a text may hold what Postgres cannot store; the cheapest search comes first."""
    return b"\\" in text and rb"\u" in text and any(suspect in text for suspect in SUSPECTS)


class Cleaner:
    """Takes out what Postgres cannot hold, but leaves a STATE as it is."""

    def __init__(self) -> None:
        self.removed_nuls = 0

    def lines(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Return the lines, clean."""
        if not is_suspect(b"".join(lines)):
            return lines
        return [self._line(line) if is_suspect(line) else line for line in lines]

    def _line(self, line: bytes) -> bytes:
        if STATE_LINE.match(line):
            return line
        line, removed = cleaned(line)
        self.removed_nuls += removed
        return line


def cleaned(line: bytes) -> tuple[bytes, int]:
    """Remove NUL characters, put U+FFFD for lone surrogates; also return how many NULs."""
    line, removed = _without_nul(line)
    if rb"\ud" in line or rb"\uD" in line:
        line = SURROGATES.sub(_whole_pairs, line)
    return line, removed


def _without_nul(line: bytes) -> tuple[bytes, int]:
    removed = 0
    if rb"\u0000" in line:
        line, removed = NUL.subn(rb"\1", line)
    return line, removed


def _whole_pairs(match: re.Match[bytes]) -> bytes:
    if match.group(2) is not None:
        return match.group(0)
    return match.group(3) + rb"\ufffd"


def decode(line: bytes, number: int) -> Message:
    """Return the message of a line.

    Raises:
        DataError: The line is not JSON, or not a Singer message.
    """
    try:
        return MESSAGE.decode(line)
    except msgspec.ValidationError:
        raise DataError(
            f"Line {number} is not a Singer message: it must be a JSON object with a type. "
            "Correct what writes to this target, then run again."
        ) from None
    except RecursionError:
        raise DataError(
            f"Line {number} is nested more than {DEEPEST} levels deep. Correct the source, or "
            "leave the stream out."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DataError(
            f"Line {number} is not JSON. Look whether something else than the tap writes to its "
            "standard output, or the tap was cut off, then run again."
        ) from None


def prefix(line: bytes, stream: str) -> bytes | None:
    """Return how this stream's RECORD lines begin, if the beginning alone tells what they are."""
    head, found, _ = line.partition(b'"record"')
    try:
        fields = msgspec.json.decode(head.rstrip().rstrip(b",") + b"}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    plain = {"type": "RECORD", "stream": stream}
    is_told = found and isinstance(fields, dict) and fields | VERSION == plain | VERSION
    return head + found if is_told else None


def stream_schema(message: Message, number: int) -> StreamSchema:
    """Return what a SCHEMA message says.

    Raises:
        SchemaError: A part is missing, or has another shape than it must.
    """
    schema = json_of(message.schema, number)
    key = json_of(message.key_properties, number) or []
    if not message.stream or not isinstance(schema, dict):
        raise SchemaError(f"The SCHEMA in line {number} lacks its stream or its schema.")
    properties = schema.get("properties")
    required = schema.get("required") or []
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise SchemaError(
            f"The SCHEMA of stream {message.stream} in line {number} has properties or required "
            "in another shape than JSON Schema gives them."
        )
    names = list(properties)  # a key may hold what no dict could be asked for
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
                type=column_type(part, schema),
                required=name in required or name in key,
                nullable=is_nullable(part, schema) and name not in key,
            )
            for name, part in properties.items()
        ),
        key=tuple(dict.fromkeys(key)),
        has_bookmark=bool(json_of(message.bookmark_properties, number)),
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
    """Return the error of a message that came before its stream's SCHEMA."""
    return MissingSchemaError(
        f"Line {number} is a {message.type} of the stream {message.stream}, whose "
        "SCHEMA has not come before it. Correct the tap."
    )


def activated_too_early(message: Message, number: int) -> str:
    """Return the warning about a version that is activated before its stream's SCHEMA."""
    what = f"an ACTIVATE_VERSION of the stream {message.stream} came before its SCHEMA"
    return f"line {number}: {what} and was left out"


def state_of(message: Message, number: int) -> bytes | None:
    """Return the value of a STATE; None if it says nothing.

    Raises:
        DataError: It has none, or is not UTF-8.
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
        DataError: It is not a whole number of 64 bits.
    """
    found = json_of(message.version, number)
    if found is None:
        return None
    if isinstance(found, int) and not isinstance(found, bool) and -(1 << 63) <= found < 1 << 63:
        return found
    raise DataError(
        f"The version in line {number} is not a whole number of 64 bits. Correct the tap."
    )


def json_of(raw: Raw, number: int) -> Any:
    """Return what a part of a message holds; None if it is absent.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return msgspec.json.decode(raw) if raw else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise DataError(
            f"Line {number} holds a number too large, or text that is not UTF-8, where a schema, "
            "a key or a version should be. Correct the tap."
        ) from None
