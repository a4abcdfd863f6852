"""Which column type a property of a Singer schema gets, and what may widen into what.

Pure: no database, no records. The README's type table is this table.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

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

# A key stays one column, or each entity would become two rows: what nothing above widens becomes
# text, in which equal values are written alike (`fields.as_text` writes them the same way).
AS_KEY_TEXT = {
    BIGINT: "{column}::text",
    NUMERIC: "trim_scale({column})::text",
    BOOLEAN: "{column}::text",
    DATE: "{column}::text",
    TIME: "{column}::text",
    UUID: "{column}::text",
    TIMESTAMPTZ: "to_jsonb({column}) #>> '{{}}'",
}
HOLDS_ANY_KEY = (TEXT, JSONB)

# Columns that other targets and people have made: what they become without losing anything.
FOREIGN = {
    "smallint": (BIGINT, "{column}::bigint"),
    "integer": (BIGINT, "{column}::bigint"),
    "real": (NUMERIC, "{column}::text::numeric"),  # shortest digits that give the same number back
    "double precision": (NUMERIC, "{column}::text::numeric"),
    "numeric": (NUMERIC, "{column}::numeric"),
    "character varying": (TEXT, "{column}::text"),
    "character": (TEXT, "{column}::text"),
    "bpchar": (TEXT, "{column}::text"),
    "citext": (TEXT, "{column}::text"),
    "name": (TEXT, "{column}::text"),
    "timestamp without time zone": (TIMESTAMPTZ, "{column} AT TIME ZONE 'UTC'"),
    "timestamp with time zone": (TIMESTAMPTZ, "{column}::timestamptz"),
    "time without time zone": (TIME, "{column}::time"),
    "json": (JSONB, "{column}::jsonb"),
}
LENGTH = re.compile(r"\(\d+(,-?\d+)?\)")  # of varchar(20), numeric(10,2), timestamp(0)

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


ALTERNATIVES = ("anyOf", "oneOf", "allOf")
OWN_TYPES = frozenset(CATALOGUE_NAMES.values())


class Fit(NamedTuple):
    """What a column must become to take the values of a type, and how; None: it may stay."""

    type: str
    expression: str | None


def fit(present: str, wanted: str, *, is_key: bool = False) -> Fit | None:
    """Return what a column becomes to take values of a type; None when it cannot take them."""
    native, expression = present, None
    if present not in OWN_TYPES:
        found = FOREIGN.get(LENGTH.sub("", present))
        if found is None:
            return None
        native, expression = found
    if native == wanted or (native, wanted) in HOLDS or (is_key and native in HOLDS_ANY_KEY):
        return Fit(native, expression)
    if cast := WIDENINGS.get((native, wanted)):
        return Fit(wanted, cast if expression is None else _inside(cast, expression))
    if is_key and (cast := AS_KEY_TEXT.get(native)):
        return Fit(TEXT, cast if expression is None else _inside(cast, expression))
    return None


def _inside(cast: str, expression: str) -> str:
    return cast.replace("{column}", f"({expression})")


def carried(present: str, wanted: str) -> str | None:
    """Return the expression that carries values of one column type over to another one's."""
    if present == wanted:
        return "{column}"
    if cast := WIDENINGS.get((present, wanted)):
        return cast
    return AS_KEY_TEXT.get(present) if wanted == TEXT else None


def column_type(schema: Any, root: dict[str, Any] | None = None) -> str:
    """Return the column type of a property's JSON schema; what is not plain becomes jsonb."""
    found = {kind for kind in _kinds(schema, root or {}, depth=0) if kind[0] != "null"}
    names = {name for name, _ in found}
    if names == {"integer", "number"}:
        return NUMERIC
    if len(names) != 1:
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
        for word in ALTERNATIVES:
            parts = schema.get(word)
            for part in parts if isinstance(parts, list) else ():
                kinds |= _kinds(part, root, depth + 1)
    return kinds


def with_plain_types(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with what references and alternatives come to, for the SDK's flattening.

    It looks at `type` alone: an integer or null by `anyOf` would have no column.
    """
    return schema | {"properties": _parts_with_plain_types(schema["properties"], schema, ())}


def _parts_with_plain_types(
    properties: dict[str, Any], root: dict[str, Any], inside: tuple[str, ...]
) -> dict[str, Any]:
    return {name: _plain_part(part, root, inside) for name, part in properties.items()}


def _plain_part(part: Any, root: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
    """Return a property's schema with a type; inside: references that it is a part of."""
    if not isinstance(part, dict):
        return {}
    if isinstance(reference := part.get("$ref"), str):
        if reference in inside:
            return {"type": ["object", "null"]}
        return _plain_part(_referenced(reference, root), root, (*inside, reference))
    found = dict(part)
    if not part.get("type"):
        listed = [part[word] for word in ALTERNATIVES if isinstance(part.get(word), list)]
        found = _merged([_plain_part(one, root, inside) for each in listed for one in each])
    names = found.get("type") or []
    if set([names] if isinstance(names, str) else names) - {"object", "null"}:
        found.pop("properties", None)  # what is no object would have no column
    elif isinstance(properties := found.get("properties"), dict):
        found["properties"] = _parts_with_plain_types(properties, root, inside)
    return found


def _merged(options: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one schema that allows what any of several allows, as far as columns go."""
    names: list[str] = []
    properties: dict[str, Any] = {}
    for one in options:
        kinds = one.get("type")
        if not kinds:
            return {}
        names += [kinds] if isinstance(kinds, str) else kinds
        properties |= one.get("properties") or {}
    forms = {one.get("format") for one in options if "string" in (one.get("type") or ())}
    found: dict[str, Any] = {"type": list(dict.fromkeys(names))} if names else {}
    found |= {"format": forms.pop()} if len(forms) == 1 else {}
    return found | ({"properties": properties} if properties else {})


def _referenced(reference: str, root: dict[str, Any]) -> Any:
    """Return what a JSON pointer in a URL's fragment names (RFC 6901); None for other documents."""
    if not reference.startswith("#"):
        return None
    found: Any = root
    for step in unquote(reference[1:]).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(name)] if name.isdecimal() and int(name) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return found
