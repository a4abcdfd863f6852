"""Decodes and encodes records that are changed on their way, without loss of digits."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from target_scout_postgres.errors import InvalidRecordError

ENCODER = msgspec.json.Encoder(decimal_format="number")
DECODER = msgspec.json.Decoder(float_hook=Decimal)  # keeps the digits as written
UNREADABLE = (ValueError, ArithmeticError, RecursionError)


def decode_record(raw: Raw, what: str) -> dict[str, Any]:
    """Return the values of a record.

    Args:
        raw: The record.
        what: What cannot be applied to a record that cannot be decoded.

    Raises:
        InvalidRecordError: It is not an object, or cannot be decoded.
    """
    try:
        record = _decode(raw)
    except UnicodeDecodeError:
        raise InvalidRecordError("its text is not UTF-8") from None
    except UNREADABLE as error:
        raise not_applicable(what, error) from None
    if not isinstance(record, dict):
        raise InvalidRecordError("the record is not a JSON object")
    return record


def not_applicable(what: str, error: Exception) -> InvalidRecordError:
    """Return the error of a record that cannot be changed; the message quotes no value."""
    return InvalidRecordError(f"{what} cannot be applied to it ({type(error).__name__})")


def _decode(raw: Raw) -> Any:
    try:
        return DECODER.decode(raw)
    except msgspec.ValidationError:  # an integer has more digits than Python converts
        text = bytes(raw).decode()
        return json.loads(text, parse_float=Decimal, parse_int=_integer, parse_constant=_refuse)


def _integer(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
