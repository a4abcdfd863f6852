"""Columns of the simple streams: one table says name, kind, meaning, and where the value stands.

From it come both the schema of a stream and its records, so that they cannot differ. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from dimagi_api.errors import ShapeError
from dimagi_api.messages import Record

from tap_commcare import schemas, values

Row = Mapping[str, Any]

SHAPE_REMEDY = "Nothing was taken from this page; look for a newer version of this tap."


@dataclass(frozen=True)
class Kind:
    """A kind of column: its schema, and how a value of the API becomes one of a record."""

    schema: Callable[[str], schemas.Column]
    convert: Callable[[Any], Any]


@dataclass(frozen=True)
class Field:
    """A column. ``source`` is its name in the API, where that is another one."""

    name: str
    kind: Kind
    meaning: str
    source: str = ""


def _object(value: Any) -> Any:
    return value if type(value) is dict else None


def _array(value: Any) -> Any:
    return value if type(value) is list else None


def _number(value: Any) -> Any:
    if type(value) is not str:
        return value if type(value) in {int, float} else None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def last_segment(uri: Any) -> str | None:
    """Return the last part of a URI's path: the id of what it refers to."""
    return str(uri).rstrip("/").rsplit("/", 1)[-1] or None if uri else None


def _id_of(uri: Any) -> int | None:
    return values.integer(last_segment(uri))


KEY = Kind(schemas.key, values.text)
TEXT = Kind(schemas.text, values.text)
MOMENT = Kind(schemas.moment, values.moment)
FLAG = Kind(schemas.flag, values.flag)
INTEGER = Kind(schemas.integer, values.integer)
INTEGER_KEY = Kind(schemas.integer_key, values.integer)
NUMBER = Kind(schemas.number, _number)
OBJECT = Kind(schemas.json_object, _object)
ARRAY = Kind(schemas.json_array, _array)
REFERENCE = Kind(schemas.text, last_segment)
INTEGER_REFERENCE = Kind(schemas.integer, _id_of)


def columns(fields: Sequence[Field]) -> dict[str, schemas.Column]:
    """Return the columns of a stream; ``domain`` follows the first."""
    first, *others = fields
    found = {first.name: first.kind.schema(first.meaning), "domain": schemas.DOMAIN}
    return found | {field.name: field.kind.schema(field.meaning) for field in others}


def records(fields: Sequence[Field], rows: Iterable[Row], domain: str) -> Iterator[Record]:
    """Yield the records of rows.

    Raises:
        ShapeError: A row has no identity.
    """
    key = fields[0].name
    for row in rows:
        record = {"domain": domain}
        for field in fields:
            record[field.name] = field.kind.convert(row.get(field.source or field.name))
        if record[key] is None:
            raise ShapeError(f"The server sent a row without {key}.", SHAPE_REMEDY)
        yield record
