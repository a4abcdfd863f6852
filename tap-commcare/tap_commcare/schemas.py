"""JSON schemas of the kinds of columns that streams have. Pure."""

from __future__ import annotations

from typing import Any

Column = dict[str, Any]


def key(description: str) -> Column:
    """Return the schema of a text that is never null."""
    return {"type": ["string"], "description": description}


def text(description: str) -> Column:
    """Return the schema of a text."""
    return {"type": ["string", "null"], "description": description}


def moment(description: str) -> Column:
    """Return the schema of a moment."""
    return {"type": ["string", "null"], "format": "date-time", "description": description}


def flag(description: str) -> Column:
    """Return the schema of a yes/no."""
    return {"type": ["boolean", "null"], "description": description}


def integer(description: str) -> Column:
    """Return the schema of a whole number."""
    return {"type": ["integer", "null"], "description": description}


def json_object(description: str) -> Column:
    """Return the schema of an object with any properties."""
    return {
        "type": ["object", "null"],
        "properties": {},
        "additionalProperties": True,
        "description": description,
    }


def json_array(description: str, items: Column | None = None) -> Column:
    """Return the schema of a list."""
    return {"type": ["array", "null"], "items": items or {}, "description": description}


def integer_key(description: str) -> Column:
    """Return the schema of a whole number that is never null."""
    return {"type": ["integer"], "description": description}


def number(description: str) -> Column:
    """Return the schema of a number with decimals."""
    return {"type": ["number", "null"], "description": description}


DOMAIN = key("The project space that the record belongs to.")
