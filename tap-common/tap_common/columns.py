"""The kinds of columns: their JSON schemas, and how values of the API are converted. Pure.

Both taps declare their streams with these. A column converts decoded values and raw JSON alike, so
that a tap can choose how it reads pages.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tap_common import converters
from tap_common import raw_converters as raw
from tap_common.raw_converters import Raw, RawConvert

Schema = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        schema: Its JSON schema.
        python_type: The Python type of a value that needs no conversion.
        convert: Converts a decoded JSON value; raises UnreadableError.
        convert_raw: Converts the bytes of a JSON value; raises UnreadableError.
        canonical: Returns the canonical form of a converted value, for identities.
        source: The property's name in the API, if it differs.
    """

    schema: Schema
    python_type: Any
    convert: Callable[[Any], Any]
    convert_raw: RawConvert
    canonical: Callable[[Any], Any] = raw.canonical
    source: str = ""


def key(description: str) -> Column:
    """Return a column of text that is never null."""
    return Column(_schema(description, "string"), str, converters.to_text, raw.key)


def key_integer(description: str) -> Column:
    """Return a column of whole numbers that is never null."""
    return Column(_schema(description, "integer"), int, converters.to_integer, raw.key_integer)


def text(description: str, source: str = "") -> Column:
    """Return a column of text."""
    schema = _schema(description, "string", "null")
    return Column(schema, str, converters.to_text, raw.text, source=source)


def integer(description: str, source: str = "") -> Column:
    """Return a column of whole numbers."""
    schema = _schema(description, "integer", "null")
    return Column(schema, int, converters.to_integer, raw.integer, source=source)


def number(description: str) -> Column:
    """Return a column of exact decimal numbers."""
    schema = _schema(description, "number", "null")
    return Column(schema, Decimal, converters.to_json_number, raw.number)


def boolean(description: str) -> Column:
    """Return a column of booleans."""
    schema = _schema(description, "boolean", "null")
    return Column(schema, bool, converters.to_boolean, raw.boolean)


def timestamp(description: str) -> Column:
    """Return a column of timestamps, as RFC 3339 in UTC."""
    schema = _schema(description, "string", "null", format="date-time")
    return Column(
        schema,
        datetime.datetime,
        converters.to_timestamp,
        raw.timestamp,
        raw.canonical_timestamp,
    )


def date(description: str) -> Column:
    """Return a column of dates."""
    schema = _schema(description, "string", "null", format="date")
    return Column(schema, datetime.date, converters.to_date, raw.date)


def json_object(description: str) -> Column:
    """Return a column of objects with any properties."""
    schema = _schema(description, "object", "null", properties={}, additionalProperties=True)
    return Column(schema, Raw, converters.to_object, raw.json)


def json_array(description: str, items: Column | None = None) -> Column:
    """Return a column of lists."""
    schema = _schema(description, "array", "null", items=items.schema if items else {})
    return Column(schema, Raw, converters.to_array, raw.json)


def _schema(description: str, *types: str, **more: Any) -> Schema:
    return {"type": list(types), **more, "description": description}
