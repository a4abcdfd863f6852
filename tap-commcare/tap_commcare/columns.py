"""Columns of the simple streams: one table says name, kind, meaning, and where the value stands.

From it come both the schema of a stream and its records, so that they cannot differ. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tap_common.errors import UnexpectedResponseError
from tap_common.messages import Record
from tap_common.omissions import OMISSIONS

from tap_commcare import schemas, values
from tap_commcare.values import At

Row = Mapping[str, Any]
# What says nothing that a record does not say already.
NO_COLUMN = frozenset({"domain", "resource_uri"})

SHAPE_REMEDY = "Nothing was taken from this page; look for a newer version of this tap."


@dataclass(frozen=True)
class Kind:
    """A kind of column: its schema, and how a value of the API becomes one of a record."""

    schema: Callable[[str], schemas.Column]
    convert: Callable[[Any, At | None], Any]


@dataclass(frozen=True)
class Field:
    """A column. ``source`` is its name in the API, where that is another one."""

    name: str
    kind: Kind
    meaning: str
    source: str = ""


def _object(value: Any, at: At | None) -> Any:
    return _of_type(dict, value, at)


def _array(value: Any, at: At | None) -> Any:
    return _of_type(list, value, at)


def _of_type(wanted: type, value: Any, at: At | None) -> Any:
    if type(value) is wanted:
        return value
    values.unreadable(value, at)
    return None


def last_segment(uri: Any) -> str | None:
    """Return the last part of a URI's path: the id of what it refers to."""
    return str(uri).rstrip("/").rsplit("/", 1)[-1] or None if uri else None


def _text_of(uri: Any, at: At | None) -> str | None:
    del at  # any URI has a last segment
    return last_segment(uri)


def _id_of(uri: Any, at: At | None) -> int | None:
    return values.integer(last_segment(uri), at)


KEY = Kind(schemas.key, values.text)
TEXT = Kind(schemas.text, values.text)
MOMENT = Kind(schemas.moment, values.moment)
FLAG = Kind(schemas.flag, values.flag)
INTEGER = Kind(schemas.integer, values.integer)
INTEGER_KEY = Kind(schemas.integer_key, values.integer)
NUMBER = Kind(schemas.number, values.number)
OBJECT = Kind(schemas.json_object, _object)
ARRAY = Kind(schemas.json_array, _array)
REFERENCE = Kind(schemas.text, _text_of)
INTEGER_REFERENCE = Kind(schemas.integer, _id_of)


def columns(fields: Sequence[Field]) -> dict[str, schemas.Column]:
    """Return the columns of a stream; ``domain`` follows the first."""
    first, *others = fields
    found = {first.name: first.kind.schema(first.meaning), "domain": schemas.DOMAIN}
    return found | {field.name: field.kind.schema(field.meaning) for field in others}


def records(
    fields: Sequence[Field], rows: Iterable[Row], domain: str, stream: str
) -> Iterator[Record]:
    """Yield the records of rows.

    Raises:
        ShapeError: A row has no identity.
    """
    key = fields[0].name
    known = {field.source or field.name for field in fields} | NO_COLUMN
    for row in rows:
        record = {"domain": domain}
        for field in fields:
            value = row.get(field.source or field.name)
            record[field.name] = field.kind.convert(value, (stream, field.name))
        if record[key] is None:
            raise UnexpectedResponseError(f"The server sent a row without {key}.", SHAPE_REMEDY)
        if unknown := row.keys() - known:
            OMISSIONS.properties(stream, unknown)
        yield record
