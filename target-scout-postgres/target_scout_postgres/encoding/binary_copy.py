"""One value of a record as one field of binary COPY: its length in four bytes, then its bytes.

The functions here are the slow and exact way, from the raw JSON of a value; `encoder` generates the
fast way for values that are as usual, and comes here for all others. Both give the same bytes. The
format is that of the types' ``recv`` functions (PostgreSQL documentation and source, read November
2026).
"""

from __future__ import annotations

import re
import struct
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from target_scout_postgres.encoding import timestamps
from target_scout_postgres.encoding.column_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    JSONB,
    NUMERIC,
    TEXT,
    TIME,
    TIMESTAMPTZ,
    UUID,
)
from target_scout_postgres.encoding.timestamps import DAY_MICROSECONDS
from target_scout_postgres.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

NULL_FIELD = b"\xff\xff\xff\xff"
LENGTH = struct.Struct("!i").pack
EIGHT = struct.Struct("!iq").pack
FOUR = struct.Struct("!ii").pack
TRUE, FALSE = b"\0\0\0\x01\x01", b"\0\0\0\x01\x00"

LONGEST_BIGINT = 20  # characters
LEAST_BIGINT, GREATEST_BIGINT = -(2**63), 2**63 - 1
NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z")
GREATEST_WEIGHT = 131_072  # digits before the decimal point that numeric can hold
GREATEST_SCALE = 16_383  # and behind it


def text(raw: bytes) -> bytes:
    """Encode a JSON string for a text column."""
    if raw[:1] != b'"':
        raise RefusedError("is not a string")
    encoded = msgspec.json.decode(raw, type=str).encode()
    return LENGTH(len(encoded)) + encoded


def jsonb(raw: bytes) -> bytes:
    """Encode any JSON value for a jsonb column: version 1 of its format, then the text."""
    return LENGTH(len(raw) + 1) + b"\x01" + raw


def boolean(raw: bytes) -> bytes:
    """Encode true or false."""
    if raw not in (b"true", b"false"):
        raise RefusedError("is not a boolean")
    return TRUE if raw == b"true" else FALSE


class TooWideError(Exception):
    """An integer exceeds 64 bits: the column must become numeric."""


def bigint(raw: bytes) -> bytes:
    """Encode a whole number for a bigint column."""
    digits = _whole(raw)
    number = int(digits) if len(digits) <= LONGEST_BIGINT else GREATEST_BIGINT + 1
    if not LEAST_BIGINT <= number <= GREATEST_BIGINT:
        raise TooWideError
    return EIGHT(8, number)


def whole_numeric(raw: bytes) -> bytes:
    """Encode a whole number for a numeric column."""
    return numeric(_whole(raw))


def _whole(raw: bytes) -> bytes:
    """Return the digits of a JSON number that is whole, also if it is written 1.0 or 1e3."""
    if raw.removeprefix(b"-").isdigit():
        return raw
    if not NUMBER.match(raw):
        raise RefusedError("is not an integer")
    numeric(raw)  # refuses what is beyond the range of numbers
    number = Decimal(raw.decode())
    whole, _, fraction = f"{number:f}".partition(".")
    if fraction.strip("0"):
        raise RefusedError("is not an integer")
    return whole.encode()


# The usual number is digits, a point, digits. Postgres takes groups of four digits and strips zeros
# itself, so both sides of the point can be looked up apart: whole part to (heads by scale, groups),
# fraction to (scale, groups). The tables fill as values come, up to a limit. A long fraction seldom
# comes again, and would push the others out.
_wholes: dict[bytes, tuple[list[bytes], bytes]] = {}
_fractions: dict[bytes, tuple[int, bytes]] = {}
REMEMBERED = 10_000
LONGEST_WHOLE, LONGEST_FRACTION = 32, 6


def numeric(raw: bytes) -> bytes:
    """Encode a JSON number with exactly the digits that it is written with."""
    whole, _, fraction = raw.partition(b".")
    try:
        heads, groups = _wholes[whole]
        scale, more = _fractions[fraction]
    except KeyError:
        return _numeric_remembered(raw, whole, fraction)
    return heads[scale] + groups + more


def _numeric_remembered(raw: bytes, whole: bytes, fraction: bytes) -> bytes:
    digits = whole.removeprefix(b"-")
    is_usual = digits.isdigit() and (fraction.isdigit() or raw == whole)
    if not is_usual or len(digits) > LONGEST_WHOLE:
        return _numeric(raw)
    if len(fraction) > LONGEST_FRACTION:
        if len(fraction) > GREATEST_SCALE:
            raise RefusedError("is a number beyond the range of numeric")
        return _numeric_field(whole != digits, digits.lstrip(b"0"), fraction)
    for table in (_wholes, _fractions):
        if len(table) > REMEMBERED:
            table.clear()
    heads, groups = _wholes[whole] = _whole_part(whole)
    scale, more = _fractions[fraction] = len(fraction), _groups(fraction, is_fraction=True)
    return heads[scale] + groups + more


def _groups(digits: bytes, *, is_fraction: bool) -> bytes:
    """Return digits in groups of four, each two bytes."""
    size = -(-len(digits) // 4) * 4
    padded = digits.ljust(size, b"0") if is_fraction else digits.rjust(size, b"0")
    numbers = [int(padded[at : at + 4]) for at in range(0, size, 4)]
    return struct.pack(f"!{len(numbers)}H", *numbers)


def _whole_part(whole: bytes) -> tuple[list[bytes], bytes]:
    digits = whole.removeprefix(b"-")
    groups = _groups(digits, is_fraction=False)
    count = len(groups) // 2
    sign = 0x4000 if whole != digits else 0
    heads = []
    for scale in range(LONGEST_FRACTION + 1):
        total = count - (-scale // 4)
        heads.append(struct.pack("!iHhHH", 8 + 2 * total, total, count - 1, sign, scale))
    return heads, groups


def _numeric(raw: bytes) -> bytes:
    if not (match := NUMBER.match(raw)):
        raise RefusedError("is not a number")
    exponent = int(match.group(2)[1:]) if match.group(2) else 0
    if abs(exponent) > 2 * GREATEST_WEIGHT:
        raise RefusedError("is a number beyond the range of numeric")
    mantissa = raw.split(b"e")[0].split(b"E")[0]
    whole, _, fraction = mantissa.removeprefix(b"-").partition(b".")
    if exponent > 0:
        moved = fraction[:exponent].ljust(exponent, b"0")
        whole, fraction = whole + moved, fraction[exponent:]
    elif exponent < 0:
        padded = whole.rjust(-exponent, b"0")
        cut = len(padded) + exponent
        whole, fraction = padded[:cut], padded[cut:] + fraction
    whole = whole.lstrip(b"0")
    if len(whole) > GREATEST_WEIGHT or len(fraction) > GREATEST_SCALE:
        raise RefusedError("is a number beyond the range of numeric")
    return _numeric_field(raw[:1] == b"-", whole, fraction)


def _numeric_field(is_negative: bool, whole: bytes, fraction: bytes) -> bytes:  # noqa: FBT001 - private
    before, after = _groups(whole, is_fraction=False), _groups(fraction, is_fraction=True)
    count = (len(before) + len(after)) // 2
    sign = 0x4000 if is_negative else 0
    head = struct.pack("!iHhHH", 8 + 2 * count, count, len(before) // 2 - 1, sign, len(fraction))
    return head + before + after


def date(raw: bytes) -> bytes:
    """Encode an ISO 8601 date; of a date-time, only midnight loses nothing."""
    days, clock = timestamps.day_and_clock(_string(raw, "a date"), DATE)
    if clock and clock.microseconds != 0:
        raise RefusedError("is not a date")
    return FOUR(4, days)


def time(raw: bytes) -> bytes:
    """Encode an ISO 8601 time of day; an offset from UTC is taken off, as the column has none."""
    microseconds, offset = timestamps.clock(_string(raw, "a time"))
    if offset is not None:
        microseconds = (microseconds - offset) % DAY_MICROSECONDS
    if microseconds > DAY_MICROSECONDS:
        raise RefusedError("is not a time of day")
    return EIGHT(8, microseconds)


def timestamptz(raw: bytes) -> bytes:
    """Encode an ISO 8601 date-time; without a zone it is UTC, a date alone is its midnight."""
    days, clock = timestamps.day_and_clock(_string(raw, "a date-time"), TIMESTAMPTZ)
    microseconds, offset = clock or (0, 0)
    return EIGHT(8, days * DAY_MICROSECONDS + microseconds - (offset or 0))


def uuid_(raw: bytes) -> bytes:
    """Encode a UUID, with or without hyphens."""
    try:
        return b"\0\0\0\x10" + uuid.UUID(_string(raw, "a UUID")).bytes
    except ValueError:
        raise RefusedError("is not a UUID") from None


def _string(raw: bytes, wanted: str) -> str:
    if raw[:1] != b'"':
        raise RefusedError(f"is not {wanted}")
    return msgspec.json.decode(raw, type=str)


def as_text(raw: bytes) -> bytes:
    """Encode any value for a key that became text: what is equal is written alike.

    Numbers are written as Postgres casts them after trim_scale, objects with sorted names.
    """
    if raw[:1] == b'"':
        return text(raw)
    if raw[:1] in b"{[":
        encoded = _SORTED.encode(_decoded(raw))
    elif raw in (b"true", b"false"):
        encoded = raw
    else:
        numeric(raw)  # refuses what is beyond the range of numbers
        whole, point, fraction = f"{Decimal(raw.decode()):f}".partition(".")
        written = (whole + point + fraction.rstrip("0")).rstrip(".")
        encoded = ("0" if written == "-0" else written).encode()
    return LENGTH(len(encoded)) + encoded


def uuid_as_text(raw: bytes) -> bytes:
    """Encode a UUID for a column that became text: in the spelling that Postgres casts it to."""
    try:
        encoded = str(uuid.UUID(_string(raw, "a UUID"))).encode()
    except ValueError:
        return text(raw)
    return LENGTH(len(encoded)) + encoded


# Property type, column type: the function for it.
EXACT: dict[tuple[str, str], Callable[[bytes], bytes]] = {
    (TEXT, TEXT): text,
    (JSONB, JSONB): jsonb,
    (BOOLEAN, BOOLEAN): boolean,
    (BIGINT, BIGINT): bigint,
    (BIGINT, NUMERIC): whole_numeric,
    (NUMERIC, NUMERIC): numeric,
    (DATE, DATE): date,
    (DATE, TIMESTAMPTZ): timestamptz,
    (TIME, TIME): time,
    (TIMESTAMPTZ, TIMESTAMPTZ): timestamptz,
    (UUID, UUID): uuid_,
    (UUID, TEXT): uuid_as_text,
}
# A key's column takes any value once it is text or jsonb (`column_types.fit`).
OTHERS = (BIGINT, NUMERIC, BOOLEAN, DATE, TIME, TIMESTAMPTZ)
EXACT |= {(kind, TEXT): as_text for kind in (*OTHERS, JSONB)}
EXACT |= {(kind, JSONB): jsonb for kind in (*OTHERS, TEXT, UUID)}


# Numbers in JSON exactly as written: a float would take 0.1 and 0.10000000000000000001 for one.
_JSON = msgspec.json.Decoder(float_hook=Decimal)
_SORTED = msgspec.json.Encoder(decimal_format="number", order="sorted")
INCOMPARABLE = (ArithmeticError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def _decoded(raw: bytes) -> Any:
    try:
        return _JSON.decode(raw)
    except INCOMPARABLE:
        raise RefusedError("is a key beyond what can be compared") from None


def comparable(raw: bytes, kind: str) -> Any:
    """Return a key value's stand-in that is equal exactly when Postgres finds the values equal.

    Raises:
        RefusedError: It is nothing that Postgres could hold.
    """
    try:
        return Decimal(raw.decode()) if kind == NUMERIC else _frozen(_decoded(raw))
    except INCOMPARABLE:
        raise RefusedError("is a key beyond what can be compared") from None


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((name, _frozen(part)) for name, part in value.items())
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return (type(value).__name__ if isinstance(value, bool) else "", value)
