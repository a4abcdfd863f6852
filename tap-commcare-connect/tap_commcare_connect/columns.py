"""The kinds of columns that streams have: JSON schema, and how a value is made. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tap_commcare_connect import values
from tap_commcare_connect.values import Convert, Raw


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        schema: Its JSON schema.
        kind: What a value is when the API writes it as it should.
        convert: Makes a value of whatever the API says.
        same: Makes one spelling of a value, for identities.
    """

    schema: dict[str, Any]
    kind: Any
    convert: Convert
    same: Callable[[Any], Any] = values.same


def _schema(description: str, *types: str, **more: Any) -> dict[str, Any]:
    return {"type": list(types), **more, "description": description}


def key(description: str) -> Column:
    """Return a text that is never null."""
    return Column(_schema(description, "string"), str, values.key_text)


def key_integer(description: str) -> Column:
    """Return a whole number that is never null."""
    return Column(_schema(description, "integer"), int, values.key_integer)


def text(description: str) -> Column:
    """Return a text."""
    return Column(_schema(description, "string", "null"), str, values.text)


def integer(description: str) -> Column:
    """Return a whole number."""
    return Column(_schema(description, "integer", "null"), int, values.integer)


def amount(description: str) -> Column:
    """Return an exact decimal number."""
    return Column(_schema(description, "number", "null"), Decimal, values.amount)


def flag(description: str) -> Column:
    """Return a yes/no."""
    return Column(_schema(description, "boolean", "null"), bool, values.flag)


def moment(description: str) -> Column:
    """Return a moment."""
    schema = _schema(description, "string", "null", format="date-time")
    return Column(schema, datetime, values.moment, values.same_moment)


def day(description: str) -> Column:
    """Return a date."""
    return Column(_schema(description, "string", "null", format="date"), date, values.day)


def json_object(description: str) -> Column:
    """Return an object with any properties."""
    schema = _schema(description, "object", "null", properties={}, additionalProperties=True)
    return Column(schema, Raw, values.anything)


def json_array(description: str) -> Column:
    """Return a list."""
    return Column(_schema(description, "array", "null", items={}), Raw, values.anything)
