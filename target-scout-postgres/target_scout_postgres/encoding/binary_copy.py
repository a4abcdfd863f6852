"""Encodes one JSON value as a field of binary COPY: its length in four bytes, then its bytes.

These functions are the slow, exact path; `codegen` generates the fast path for common values and
falls back to this one. Both give the same bytes. The format is that of the types' ``recv``
functions (PostgreSQL documentation and source, read November 2026).
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
from target_scout_postgres.errors import InvalidRecordError

if TYPE_CHECKING:
    from collections.abc import Callable

NULL_FIELD = b"\xff\xff\xff\xff"
pack_length = struct.Struct("!i").pack
pack_int8 = struct.Struct("!iq").pack
pack_int4 = struct.Struct("!ii").pack
TRUE, FALSE = b"\0\0\0\x01\x01", b"\0\0\0\x01\x00"

MAX_BIGINT_DIGITS = 20
MIN_BIGINT, MAX_BIGINT = -(2**63), 2**63 - 1
NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z")
MAX_WEIGHT = 131_072  # the most digits before the decimal point in a numeric
MAX_SCALE = 16_383  # and after it
OUT_OF_RANGE = "is a number outside the range of numeric"


def text(raw: bytes) -> bytes:
    """Encode a JSON string for a text column."""
    if raw[:1] != b'"':
        raise InvalidRecordError("is not a string")
    encoded = msgspec.json.decode(raw, type=str).encode()
    return pack_length(len(encoded)) + encoded


def jsonb(raw: bytes) -> bytes:
    """Encode any JSON value for a jsonb column: format version 1, then the text."""
    return pack_length(len(raw) + 1) + b"\x01" + raw


def boolean(raw: bytes) -> bytes:
    """Encode true or false."""
    if raw not in (b"true", b"false"):
        raise InvalidRecordError("is not a boolean")
    return TRUE if raw == b"true" else FALSE


class BigintOverflowError(Exception):
    """An integer exceeds 64 bits: the column must become numeric."""


def bigint(raw: bytes) -> bytes:
    """Encode a whole number for a bigint column."""
    digits = _whole(raw)
    number = int(digits) if len(digits) <= MAX_BIGINT_DIGITS else MAX_BIGINT + 1
    if not MIN_BIGINT <= number <= MAX_BIGINT:
        raise BigintOverflowError
    return pack_int8(8, number)


def whole_numeric(raw: bytes) -> bytes:
    """Encode a whole number for a numeric column."""
    return numeric(_whole(raw))


def _whole(raw: bytes) -> bytes:
    """Return the digits of a whole JSON number, including 1.0 and 1e3."""
    if raw.removeprefix(b"-").isdigit():
        return raw
    if not NUMBER.match(raw):
        raise InvalidRecordError("is not an integer")
    numeric(raw)  # checks the range
    number = Decimal(raw.decode())
    whole, _, fraction = f"{number:f}".partition(".")
    if fraction.strip("0"):
        raise InvalidRecordError("is not an integer")
    return whole.encode()


# Most numbers are digits, a point, digits. Postgres takes groups of four digits and strips zeros
# itself, so both sides of the point are cached separately: the whole part as (heads by scale,
# groups), the fraction as (scale, groups). Long fractions rarely repeat and would only evict the
# others, so they are not cached.
_wholes: dict[bytes, tuple[list[bytes], bytes]] = {}
_fractions: dict[bytes, tuple[int, bytes]] = {}
CACHE_SIZE = 10_000
MAX_CACHED_WHOLE, MAX_CACHED_FRACTION = 32, 6


def numeric(raw: bytes) -> bytes:
    """Encode a JSON number with exactly the digits as written."""
    whole, _, fraction = raw.partition(b".")
    try:
        heads, groups = _wholes[whole]
        scale, more = _fractions[fraction]
    except KeyError:
        return _numeric_cached(raw, whole, fraction)
    return heads[scale] + groups + more


def _numeric_cached(raw: bytes, whole: bytes, fraction: bytes) -> bytes:
    digits = whole.removeprefix(b"-")
    is_plain = digits.isdigit() and (fraction.isdigit() or raw == whole)
    if not is_plain or len(digits) > MAX_CACHED_WHOLE:
        return _numeric(raw)
    if len(fraction) > MAX_CACHED_FRACTION:
        if len(fraction) > MAX_SCALE:
            raise InvalidRecordError(OUT_OF_RANGE)
        return _numeric_field(whole != digits, digits.lstrip(b"0"), fraction)
    for cache in (_wholes, _fractions):
        if len(cache) > CACHE_SIZE:
            cache.clear()
    heads, groups = _wholes[whole] = _whole_part(whole)
    scale, more = _fractions[fraction] = len(fraction), _groups(fraction, is_fraction=True)
    return heads[scale] + groups + more


def _groups(digits: bytes, *, is_fraction: bool) -> bytes:
    """Return the digits in groups of four, two bytes each."""
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
    for scale in range(MAX_CACHED_FRACTION + 1):
        total = count - (-scale // 4)
        heads.append(struct.pack("!iHhHH", 8 + 2 * total, total, count - 1, sign, scale))
    return heads, groups


def _numeric(raw: bytes) -> bytes:
    if not (match := NUMBER.match(raw)):
        raise InvalidRecordError("is not a number")
    exponent = int(match.group(2)[1:]) if match.group(2) else 0
    if abs(exponent) > 2 * MAX_WEIGHT:  # before 1e999999999 is written out
        raise InvalidRecordError(OUT_OF_RANGE)
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
    if len(whole) > MAX_WEIGHT or len(fraction) > MAX_SCALE:
        raise InvalidRecordError(OUT_OF_RANGE)
    return _numeric_field(raw[:1] == b"-", whole, fraction)


def _numeric_field(is_negative: object, whole: bytes, fraction: bytes) -> bytes:
    before, after = _groups(whole, is_fraction=False), _groups(fraction, is_fraction=True)
    count = (len(before) + len(after)) // 2
    sign = 0x4000 if is_negative else 0
    head = struct.pack("!iHhHH", 8 + 2 * count, count, len(before) // 2 - 1, sign, len(fraction))
    return head + before + after


def date(raw: bytes) -> bytes:
    """Encode a date; a date-time is valid only at midnight, where nothing is lost."""
    days, time_of_day = timestamps.parse_date(_string(raw, "a date"), DATE)
    if time_of_day and time_of_day.microseconds != 0:
        raise InvalidRecordError("is not a date")
    return pack_int4(4, days)


def time(raw: bytes) -> bytes:
    """Encode a time of day, converted to UTC: the column has no offset."""
    microseconds, offset = timestamps.parse_time(_string(raw, "a time"))
    if offset is not None:
        microseconds = (microseconds - offset) % DAY_MICROSECONDS
    if microseconds > DAY_MICROSECONDS:
        raise InvalidRecordError("is not a time of day")
    return pack_int8(8, microseconds)


def timestamptz(raw: bytes) -> bytes:
    """Encode a date-time; without a zone it is UTC, a date alone is its midnight."""
    days, time_of_day = timestamps.parse_date(_string(raw, "a date-time"), TIMESTAMPTZ)
    microseconds, offset = time_of_day or (0, 0)
    return pack_int8(8, days * DAY_MICROSECONDS + microseconds - (offset or 0))


def uuid_(raw: bytes) -> bytes:
    """Encode a UUID, with or without hyphens."""
    try:
        return b"\0\0\0\x10" + uuid.UUID(_string(raw, "a UUID")).bytes
    except ValueError:
        raise InvalidRecordError("is not a UUID") from None


def _string(raw: bytes, wanted: str) -> str:
    if raw[:1] != b'"':
        raise InvalidRecordError(f"is not {wanted}")
    return msgspec.json.decode(raw, type=str)


def any_as_text(raw: bytes) -> bytes:
    """Encode any value for a key column that became text, so that equal values are equal texts.

    Numbers are written as Postgres casts them after trim_scale, objects with sorted names.
    """
    if raw[:1] == b'"':
        return text(raw)
    if raw[:1] in b"{[":
        encoded = _SORTED.encode(_decode_exactly(raw))
    elif raw in (b"true", b"false"):
        encoded = raw
    else:
        numeric(raw)  # checks the range
        whole, point, fraction = f"{Decimal(raw.decode()):f}".partition(".")
        written = (whole + point + fraction.rstrip("0")).rstrip(".")
        encoded = ("0" if written == "-0" else written).encode()
    return pack_length(len(encoded)) + encoded


def uuid_as_text(raw: bytes) -> bytes:
    """Encode a UUID for a column that became text, spelled as Postgres casts it."""
    try:
        encoded = str(uuid.UUID(_string(raw, "a UUID"))).encode()
    except ValueError:
        return text(raw)
    return pack_length(len(encoded)) + encoded


# (property type, column type) to the function that encodes such a value.
FIELD_ENCODERS: dict[tuple[str, str], Callable[[bytes], bytes]] = {
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
FIELD_ENCODERS |= {(type_, TEXT): any_as_text for type_ in (*OTHERS, JSONB)}
FIELD_ENCODERS |= {(type_, JSONB): jsonb for type_ in (*OTHERS, TEXT, UUID)}


# Decimal, because as floats 0.1 and 0.10000000000000000001 would be one key.
_JSON = msgspec.json.Decoder(float_hook=Decimal)
_SORTED = msgspec.json.Encoder(decimal_format="number", order="sorted")
NOT_COMPARABLE = "is a key that cannot be compared"
INCOMPARABLE = (ArithmeticError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def _decode_exactly(raw: bytes) -> Any:
    try:
        return _JSON.decode(raw)
    except INCOMPARABLE:
        raise InvalidRecordError(NOT_COMPARABLE) from None


def comparable(raw: bytes, column_type: str) -> Any:
    """Return a hashable key value; two are equal exactly when Postgres finds them equal.

    Raises:
        InvalidRecordError: Postgres could not hold the value.
    """
    try:
        return Decimal(raw.decode()) if column_type == NUMERIC else _hashable(_decode_exactly(raw))
    except INCOMPARABLE:
        raise InvalidRecordError(NOT_COMPARABLE) from None


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((name, _hashable(member)) for name, member in value.items())
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    # In Python True == 1; in jsonb they are two keys.
    return (type(value).__name__ if isinstance(value, bool) else "", value)
