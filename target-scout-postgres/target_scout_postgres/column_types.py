"""Which column type a property of a Singer schema gets, and what may widen into what.

Pure: no database, no records. The README's type table is this table.
"""

from __future__ import annotations

from typing import Any, Final

TIMESTAMPTZ: Final = "timestamptz"
DATE: Final = "date"
TIME: Final = "time"
UUID: Final = "uuid"
TEXT: Final = "text"
BIGINT: Final = "bigint"
NUMERIC: Final = "numeric"
BOOLEAN: Final = "boolean"
JSONB: Final = "jsonb"

# First match wins: Singer type, format (None = any), column type.
COLUMN_TYPES = (
    ("string", "date-time", TIMESTAMPTZ),
    ("string", "date", DATE),
    ("string", "time", TIME),
    ("string", "uuid", UUID),
    ("string", None, TEXT),
    ("integer", None, BIGINT),
    ("number", None, NUMERIC),
    ("boolean", None, BOOLEAN),
    ("object", None, JSONB),
    ("array", None, JSONB),
)

# Column types that hold every value of another one; the expression that carries a column over.
WIDENINGS = {
    (BIGINT, NUMERIC): "{column}::numeric",
    (DATE, TIMESTAMPTZ): "{column}::timestamp AT TIME ZONE 'UTC'",
    (UUID, TEXT): "{column}::text",
}

# A column that is wider than the schema asks for stays, and takes the narrower values.
HOLDS = {(NUMERIC, BIGINT), (TEXT, UUID), (TIMESTAMPTZ, DATE)}

# What Postgres calls the types above in its catalogue (format_type).
CATALOGUE_NAMES = {
    "timestamp with time zone": TIMESTAMPTZ,
    "time without time zone": TIME,
    "bigint": BIGINT,
    "numeric": NUMERIC,
    "boolean": BOOLEAN,
    "jsonb": JSONB,
    "text": TEXT,
    "date": DATE,
    "uuid": UUID,
}


def column_type(schema: Any, root: dict[str, Any] | None = None) -> str:
    """Return the column type of a property's JSON schema; what is not plain becomes jsonb."""
    found = {kind for kind in _kinds(schema, root or {}, depth=0) if kind[0] != "null"}
    if len({name for name, _ in found}) != 1:
        return JSONB
    types = {_plain(name, form) for name, form in found}
    if len(types) == 1:
        return types.pop()
    return TEXT  # one Singer type with several formats: only strings have formats


def is_nullable(schema: Any, root: dict[str, Any] | None = None) -> bool:
    """Tell whether a property's JSON schema allows null; no type at all allows everything."""
    kinds = _kinds(schema, root or {}, depth=0)
    return not kinds or any(name == "null" for name, _ in kinds)


def _plain(name: str, form: str | None) -> str:
    for singer, wanted, column in COLUMN_TYPES:
        if name == singer and wanted in (form, None):
            return column
    return JSONB


def _kinds(schema: Any, root: dict[str, Any], depth: int) -> set[tuple[str, str | None]]:
    """Collect (type, format) of a schema and of its alternatives."""
    if not isinstance(schema, dict) or depth > 8:
        return set()
    if isinstance(reference := schema.get("$ref"), str):
        return _kinds(_referenced(reference, root), root, depth + 1)
    form = schema.get("format") if isinstance(schema.get("format"), str) else None
    names = schema.get("type")
    names = names if isinstance(names, list) else [names]
    kinds = {(name, form if name == "string" else None) for name in names if isinstance(name, str)}
    if not kinds:
        for word in ("anyOf", "oneOf", "allOf"):
            parts = schema.get(word)
            for part in parts if isinstance(parts, list) else ():
                kinds |= _kinds(part, root, depth + 1)
    return kinds


def _referenced(reference: str, root: dict[str, Any]) -> Any:
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    return found
