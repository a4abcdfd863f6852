"""Apply one stream map of the SDK to one record, and encode what comes out.

Whatever an expression does wrong makes the record invalid; it is never passed on unmapped.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from singer_sdk.mapper import CustomStreamMap

from target_scout_postgres.errors import InvalidRecordError
from target_scout_postgres.singer.record_json import ENCODER, not_applicable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.mapper import StreamMap

    from target_scout_postgres.singer.messages import Message

WHAT = "stream maps or flattening"
STRING_TYPES = ("string", ["string"], ["string", "null"], ["null", "string"])
NOT_FINITE = (b"null", b"NaN", b"Infinity")


def encode_message(message: Message, alias: str, content: dict[str, Any]) -> bytes:
    """Return the line of a message for another stream, with its version and time of extraction."""
    whole = {"type": message.type, "stream": alias, **content}
    rest = {"version": message.version, "time_extracted": message.time_extracted}
    try:
        return ENCODER.encode(whole | {name: raw for name, raw in rest.items() if raw})
    except Exception as error:  # noqa: BLE001 - expressions of stream maps return anything
        raise not_applicable(WHAT, error) from None


def transform(stream_map: StreamMap, record: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a map makes of a record; None if its filter drops it.

    Raises:
        InvalidRecordError: The map cannot be applied.
    """
    try:
        mapped = stream_map.transform(record)
        if mapped is None and isinstance(stream_map, CustomStreamMap):
            # The SDK also returns None for a record that has no property left.
            return {} if stream_map.get_filter_result(record) else None
    except Exception as error:  # noqa: BLE001 - expressions of stream maps raise anything
        raise not_applicable(WHAT, error) from None
    return mapped


def fit_flattened(
    record: dict[str, Any],
    objects: Iterable[str],
    texts: Iterable[str],
    properties: dict[str, Any],
) -> None:
    """Make a flattened record fit its columns, in place.

    Args:
        record: The record.
        objects: Properties that flattening takes apart.
        texts: Properties that flattening writes as JSON text.
        properties: Those of the mapped schema.

    Raises:
        InvalidRecordError: A property to take apart is not an object: it would have no column.
    """
    for name in objects:
        if record.get(name) is not None and name not in properties:
            raise InvalidRecordError(f"the property {name} is not an object")
    for name in texts:
        value = record.get(name)
        is_text = value is None or isinstance(value, str)
        if not is_text and properties.get(name, {}).get("type") in STRING_TYPES:
            record[name] = ENCODER.encode(value).decode()


def check_numbers(encoded: bytes, record: dict[str, Any]) -> None:
    """Reject numbers that are not finite: the encoder writes them as null, or as invalid JSON.

    Raises:
        InvalidRecordError: There is one.
    """
    # The search in the line is cheap, and most records hold nothing that looks like one.
    if any(word in encoded for word in NOT_FINITE) and not _is_finite(record):
        raise InvalidRecordError("an expression of stream_maps gives a number that is not finite")


def _is_finite(record: dict[str, Any]) -> bool:
    waiting: list[Any] = [record]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value
        elif isinstance(value, Decimal):
            if not value.is_finite():
                return False
        elif isinstance(value, float) and not math.isfinite(value):
            return False
    return True
