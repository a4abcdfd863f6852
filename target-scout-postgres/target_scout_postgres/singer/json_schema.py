"""JSON Schema as taps write it: the column type of a property, and schemas without references.

Pure. The README's type table is `COLUMN_TYPES`.
"""

from __future__ import annotations

from typing import Any

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

# Singer type, format (None: any), column type. The first match wins.
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
ALTERNATIVES = ("anyOf", "oneOf", "allOf")
MAX_DEPTH = 8  # of references and alternatives: some schemas refer to themselves


def column_type(schema: Any, root: dict[str, Any] | None = None) -> str:
    """Return the column type of a property's schema; anything ambiguous becomes jsonb."""
    types = {each for each in _types(schema, root or {}, depth=0) if each[0] != "null"}
    names = {name for name, _ in types}
    if names == {"integer", "number"}:
        return NUMERIC
    if len(names) != 1:
        return JSONB
    columns = {_column_type(name, format_) for name, format_ in types}
    if len(columns) == 1:
        return columns.pop()
    return TEXT  # one Singer type with several formats: only strings have formats


def is_nullable(schema: Any, root: dict[str, Any] | None = None) -> bool:
    """Return whether a property's schema allows null; one without a type allows everything."""
    types = _types(schema, root or {}, depth=0)
    return not types or any(name == "null" for name, _ in types)


def _column_type(name: str, format_: str | None) -> str:
    for singer_type, wanted, column in COLUMN_TYPES:
        if name == singer_type and wanted in (format_, None):
            return column
    return JSONB


def _types(schema: Any, root: dict[str, Any], depth: int) -> set[tuple[str, str | None]]:
    """Return the (type, format) pairs of a schema and its alternatives."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return set()
    if isinstance(reference := schema.get("$ref"), str):
        return _types(_resolve(reference, root), root, depth + 1)
    format_ = schema.get("format") if isinstance(schema.get("format"), str) else None
    names = schema.get("type")
    names = names if isinstance(names, list) else [names]
    types = {
        (name, format_ if name == "string" else None) for name in names if isinstance(name, str)
    }
    if not types:
        for keyword in ALTERNATIVES:
            options = schema.get(keyword)
            for option in options if isinstance(options, list) else ():
                types |= _types(option, root, depth + 1)
    return types


def with_plain_types(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with references and alternatives resolved, for the SDK's flattening.

    The SDK looks at `type` alone: an integer or null by `anyOf` would get no column.
    """
    return schema | {"properties": _plain_properties(schema["properties"], schema, ())}


def _plain_properties(
    properties: dict[str, Any], root: dict[str, Any], inside: tuple[str, ...]
) -> dict[str, Any]:
    return {name: _plain(schema, root, inside) for name, schema in properties.items()}


def _plain(schema: Any, root: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
    """Return a property's schema with a type; inside: the references followed to get here."""
    if not isinstance(schema, dict):
        return {}
    if isinstance(reference := schema.get("$ref"), str):
        if reference in inside:  # recursive: its depth depends on the data
            return {"type": ["object", "null"]}
        return _plain(_resolve(reference, root), root, (*inside, reference))
    plain = dict(schema)
    if not schema.get("type"):
        options = [schema[word] for word in ALTERNATIVES if isinstance(schema.get(word), list)]
        plain = _merged([_plain(option, root, inside) for each in options for option in each])
    names = plain.get("type") or []
    if set([names] if isinstance(names, str) else names) - {"object", "null"}:
        plain.pop("properties", None)  # flattening would drop values that are not objects
    elif isinstance(properties := plain.get("properties"), dict):
        plain["properties"] = _plain_properties(properties, root, inside)
    return plain


def _merged(options: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one schema that allows what any option allows, as far as columns are concerned."""
    names: list[str] = []
    properties: dict[str, Any] = {}
    for option in options:
        types = option.get("type")
        if not types:
            return {}
        names += [types] if isinstance(types, str) else types
        properties |= option.get("properties") or {}
    formats = {option.get("format") for option in options if "string" in (option.get("type") or ())}
    merged: dict[str, Any] = {"type": list(dict.fromkeys(names))} if names else {}
    merged |= {"format": formats.pop()} if len(formats) == 1 else {}
    return merged | ({"properties": properties} if properties else {})


def _resolve(reference: str, root: dict[str, Any]) -> Any:
    """Return what a JSON pointer in a URL fragment points to (RFC 6901); None if elsewhere."""
    if not reference.startswith("#"):
        return None
    from urllib.parse import unquote  # start-up: few schemas have references

    target: Any = root
    for step in unquote(reference[1:]).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list):
            target = target[int(name)] if name.isdecimal() and int(name) < len(target) else None
        else:
            target = target.get(name) if isinstance(target, dict) else None
    return target
