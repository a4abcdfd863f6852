"""The column type of a property by its JSON schema."""

from __future__ import annotations

import pytest
from target_scout_postgres.singer.json_schema import column_type, is_nullable


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "text"),
        ({"type": ["null", "string"], "format": "date-time"}, "timestamptz"),
        ({"type": "string", "format": "date"}, "date"),
        ({"type": "string", "format": "time"}, "time"),
        ({"type": "string", "format": "uuid"}, "uuid"),
        ({"type": "string", "format": "uri"}, "text"),
        ({"type": "integer", "format": "date-time"}, "bigint"),
        ({"type": ["integer", "string"]}, "jsonb"),
        ({"type": ["integer", "number"]}, "numeric"),
        ({"type": ["null", "number", "integer"]}, "numeric"),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]}, "numeric"),
        ({"type": ["integer", "number", "string"]}, "jsonb"),
        ({"$ref": "#/$defs/a~1b"}, "boolean"),
        ({"$ref": "#/$defs/a~0b"}, "date"),
        ({"$ref": "#/$defs/a%20b"}, "bigint"),
        ({"$ref": "#/$defs/a~01b"}, "numeric"),
        ({"$ref": "#/%24defs/list/1"}, "uuid"),
        ({"$ref": "#/$defs/list/7"}, "jsonb"),
        ({"$ref": "other.json#/$defs/a%20b"}, "jsonb"),
        ({"$ref": "#"}, "jsonb"),
        ({"type": "null"}, "jsonb"),
        ({"type": []}, "jsonb"),
        ({"type": 5}, "jsonb"),
        ({"anyOf": 5, "oneOf": True}, "jsonb"),
        ({"enum": ["a", "b"]}, "jsonb"),
        (True, "jsonb"),
        ({"oneOf": [{"type": "null"}, {"type": "integer"}]}, "bigint"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string"}]}, "text"),
        ({"anyOf": [{"type": "string"}, {"type": "array"}]}, "jsonb"),
        ({"allOf": [{"$ref": "#/$defs/x/y"}]}, "boolean"),
        ({"$ref": "#/$defs/missing"}, "jsonb"),
        ({"$ref": "#/$defs/circle"}, "jsonb"),
    ],
)
def test_the_schema_of_a_property_gives_its_column_type(schema, expected):
    defs = {
        "x": {"y": {"type": "boolean"}},
        "circle": {"$ref": "#/$defs/circle"},
        "a/b": {"type": "boolean"},
        "a~b": {"type": "string", "format": "date"},
        "a b": {"type": "integer"},
        "a~1b": {"type": "number"},
        "list": [{}, {"type": "string", "format": "uuid"}],
    }
    root = {"$defs": defs}

    assert column_type(schema, root) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, False),
        ({"type": ["string", "null"]}, True),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, True),
        ({}, True),
    ],
)
def test_a_property_is_nullable_if_its_schema_says_so(schema, expected):
    assert is_nullable(schema) is expected
