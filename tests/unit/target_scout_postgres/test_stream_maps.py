"""Stream maps and flattening: each line becomes the lines that replace it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from target_scout_postgres.errors import DataError, SchemaError, SettingsError
from target_scout_postgres.singer.messages import MappedLines, UnmappedRecord
from target_scout_postgres.singer.stream_maps import StreamMapper
from target_scout_postgres.target import TargetScoutPostgres

CONFIG = {"database_url": "postgresql://localhost/x", "default_target_schema": "s"}
PEOPLE = {
    "id": {"type": "integer"},
    "name": {"type": ["string", "null"]},
    "age": {"type": ["number", "null"]},
    "home": {
        "type": ["object", "null"],
        "properties": {
            "city": {"type": ["string", "null"]},
            "at": {"type": ["array", "null"]},
            "room": {"type": "object", "properties": {"n": {"type": "integer"}}},
        },
    },
}


def mapper(**settings: Any) -> StreamMapper:
    made = TargetScoutPostgres(config=CONFIG | settings).line_mapper()
    assert isinstance(made, StreamMapper)
    return made


def maps(**expressions: Any) -> StreamMapper:
    return mapper(stream_maps={"people": expressions})


def flat(depth: int = 1) -> StreamMapper:
    return mapper(flattening_enabled=True, flattening_max_depth=depth)


def schema(stream: str = "people", key: tuple[str, ...] = ("id",), **parts: Any) -> bytes:
    message = {"type": "SCHEMA", "stream": stream, "key_properties": list(key)}
    return json.dumps(message | {"schema": {"properties": PEOPLE}} | parts).encode()


def record(stream: str = "people", **values: Any) -> bytes:
    return json.dumps({"type": "RECORD", "stream": stream, "record": values}).encode()


def mapped(made: StreamMapper, *lines: bytes) -> list[dict[str, Any]]:
    """Return the messages that replace the lines; none of them may be unmappable."""
    found: list[dict[str, Any]] = []
    for each in made.map_lines(lines, 1):
        assert isinstance(each, MappedLines), each
        found += [json.loads(line) for line in each.lines]
    return found


def records(made: StreamMapper, *lines: bytes) -> list[Any]:
    return [m["record"] for m in mapped(made, schema(), *lines) if m["type"] == "RECORD"]


def reasons(made: StreamMapper, *lines: bytes) -> list[tuple[int, str]]:
    found = made.map_lines([schema(), *lines], 1)
    return [(f.number, str(f.reason)) for f in found if isinstance(f, UnmappedRecord)]


@pytest.mark.parametrize(
    ("settings", "is_active"),
    [
        ({}, False),
        ({"stream_maps": {}}, False),
        ({"flattening_enabled": False}, False),
        ({"flattening_max_depth": 3}, False),
        ({"flattening_enabled": True, "flattening_max_depth": 0}, False),
        ({"flattening_enabled": True, "flattening_max_depth": 1}, True),
        ({"stream_maps": {"x": None}}, True),
        ({"stream_maps": {"__else__": None}}, True),
    ],
    ids=str,
)
def test_lines_are_mapped_only_where_a_setting_asks_for_it(settings, is_active):
    assert (TargetScoutPostgres(config=CONFIG | settings).line_mapper() is not None) is is_active


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        ({"name": "name.upper()"}, {"id": 1, "name": "ÉVA", "age": 1.5}),
        ({"name": None}, {"id": 1, "age": 1.5}),
        ({"new": "str(id) + '!'"}, {"id": 1, "name": "éva", "age": 1.5, "new": "1!"}),
        ({"__else__": None, "id": "id"}, {"id": 1}),
        ({"__filter__": "id == 1"}, {"id": 1, "name": "éva", "age": 1.5}),
        ({"__filter__": "id != 1"}, None),
    ],
    ids=["changed", "removed", "added", "only", "kept", "dropped"],
)
def test_an_expression_changes_the_record(expressions, expected):
    found = records(maps(**expressions), record(id=1, name="éva", age=1.5))

    assert found == ([] if expected is None else [expected])


def test_a_record_keeps_the_digits_that_no_expression_touches():
    line = b'{"type":"RECORD","stream":"people","record":{"id":12345678901234567890,"age":1.10}}'
    (chunk,) = [
        each
        for each in maps(name=None).map_lines([schema(), line], 1)
        if isinstance(each, MappedLines) and any(b"RECORD" in text for text in each.lines)
    ]

    assert chunk.lines[-1].endswith(b'"record":{"id":12345678901234567890,"age":1.10}}')


def test_a_stream_that_is_removed_leaves_no_line():
    made = mapper(stream_maps={"people": None})

    assert mapped(made, schema(), record(id=1), activate(7)) == []


def activate(version: int, stream: str = "people") -> bytes:
    message = {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}
    return json.dumps(message).encode()


def test_an_alias_renames_every_message_and_the_tap_keeps_its_name():
    made = maps(__alias__="persons")
    found = mapped(made, schema(), record(id=1), activate(7))

    assert [(m["type"], m["stream"]) for m in found] == [
        ("SCHEMA", "persons"),
        ("RECORD", "persons"),
        ("ACTIVATE_VERSION", "persons"),
    ]
    assert found[2]["version"] == 7
    assert made.tap_stream("persons") == "people"
    assert made.tap_stream("other") == "other"


def test_a_stream_can_become_two_and_each_has_its_schema():
    made = mapper(
        stream_maps={
            "people": {"home": None},
            "names": {"__source__": "people", "__else__": None, "id": "id", "name": "name"},
        }
    )
    found = mapped(made, schema(), record(id=1, name="a"))
    by_stream = {m["stream"]: m for m in found if m["type"] == "RECORD"}
    schemas = {m["stream"]: set(m["schema"]["properties"]) for m in found if m["type"] == "SCHEMA"}

    assert by_stream["names"]["record"] == {"id": 1, "name": "a"}
    assert schemas == {"people": {"id", "name", "age"}, "names": {"id", "name"}}


def test_a_schema_is_not_repeated_for_each_record_and_comes_again_when_it_changes():
    made = maps(name=None)
    wider = json.loads(schema())
    wider["schema"]["properties"]["more"] = {"type": "string"}
    found = mapped(made, schema(), record(id=1), schema(), record(id=2), json.dumps(wider).encode())

    assert [m["type"] for m in found] == ["SCHEMA", "RECORD", "RECORD", "SCHEMA"]


def test_key_and_bookmark_of_the_schema_are_passed_on():
    made = maps(name=None)
    (found,) = mapped(made, schema(bookmark_properties=["age"]))

    assert found["key_properties"] == ["id"]
    assert found["bookmark_properties"] == ["age"]


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (1, {"id": 1, "home__city": "x", "home__at": '["y"]', "home__room": '{"n":2}'}),
        (2, {"id": 1, "home__city": "x", "home__at": '["y"]', "home__room__n": 2}),
    ],
)
def test_flattening_takes_objects_apart_to_its_depth_and_writes_the_rest_as_text(depth, expected):
    (found,) = records(flat(depth), record(id=1, home={"city": "x", "at": ["y"], "room": {"n": 2}}))
    texts = {n: v.replace(" ", "") if isinstance(v, str) else v for n, v in found.items()}

    assert texts == expected


@pytest.mark.parametrize("home", [5, "text", [1], True], ids=["number", "text", "list", "boolean"])
def test_a_value_in_place_of_an_object_is_not_lost_but_rejected(home):
    ((number, reason),) = reasons(flat(), record(id=1, home=home))

    assert number == 2
    assert reason == "the property home is not an object"


def test_below_its_depth_flattening_writes_whatever_comes_as_text():
    found = records(flat(1), record(id=1, home={"room": 5, "at": 1.50}))

    assert found == [{"id": 1, "home__room": "5", "home__at": "1.5"}]


def test_a_missing_object_is_no_fault():
    found = records(flat(), record(id=1, home=None), record(id=2))

    assert [(each["id"], each.get("home")) for each in found] == [(1, None), (2, None)]
    assert reasons(flat(), record(id=1, home=None), record(id=2)) == []


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("1 / (id - id)", "ZeroDivisionError"),
        ("name.upper()", "AttributeError"),
        ("int(name)", "TypeError"),
    ],
)
def test_an_expression_that_fails_rejects_its_record_and_quotes_nothing(expression, kind):
    ((number, reason),) = reasons(maps(new=expression), record(id=4711, name=None))

    assert number == 2
    assert reason.startswith("stream maps or flattening cannot be applied to it (")
    assert "4711" not in reason
    assert kind in reason or "MapExpressionError" in reason


def test_a_number_that_is_not_finite_is_rejected_instead_of_becoming_null():
    text = "an expression of stream_maps gives a number that is not finite"

    assert reasons(maps(age="float('inf')"), record(id=1)) == [(2, text)]
    assert reasons(maps(age="float('nan')"), record(id=1)) == [(2, text)]
    assert records(maps(new="'NaN null Infinity'"), record(id=1, age=None)) == [
        {"id": 1, "age": None, "new": "NaN null Infinity"}
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"5", "the record is not a JSON object"),
        (b"[]", "the record is not a JSON object"),
        (b'{"name":"\xff"}', "its text is not UTF-8"),
    ],
)
def test_a_record_that_cannot_be_decoded_is_rejected_with_its_reason(text, reason):
    line = b'{"type":"RECORD","stream":"people","record":' + text + b"}"

    assert reasons(maps(name=None), line) == [(2, reason)]


def test_records_around_an_unmappable_one_keep_their_line_numbers():
    made = maps(new="1 / id")
    lines = [schema(), record(id=1), record(id=0), record(id=2), b"", record(id=4)]
    found = list(made.map_lines(lines, 10))
    numbers = [
        (line["record"]["id"], each.number + place)
        for each in found
        if isinstance(each, MappedLines)
        for place, line in enumerate(map(json.loads, each.lines))
        if line["type"] == "RECORD"
    ]

    assert numbers == [(1, 11), (2, 13), (4, 15)]
    assert [each.number for each in found if isinstance(each, UnmappedRecord)] == [12]


def test_other_messages_pass_as_they_came():
    lines = [b'{"type":"STATE","value": {"a" : 1}}', b'{"type":"NEW_KIND"}']
    made = maps(name=None)

    assert [line for each in made.map_lines(lines, 1) for line in each.lines] == lines  # type: ignore[union-attr]  # none is a record


BROKEN: list[tuple[bytes, type[Exception], str]] = [
    (record("unknown", id=1), DataError, "no SCHEMA of that stream precedes it"),
    (b'{"type":"RECORD","stream":"people"}', DataError, "is a RECORD without a record"),
    (b'{"type":"RECORD","record":{}}', DataError, "is a RECORD without a stream"),
    (b'{"type":"SCHEMA","stream":"x"}', SchemaError, "lacks its schema"),
    (b'{"type":"SCHEMA","stream":"x","schema":{"properties":5}}', SchemaError, "not an object"),
    (schema(key_properties="id"), SchemaError, "key_properties that are not a list"),
    (b"no JSON", DataError, "is not JSON"),
]


@pytest.mark.parametrize(("line", "kind", "text"), BROKEN, ids=[text for _, _, text in BROKEN])
def test_a_broken_line_is_an_error_that_names_it_after_what_precedes_it(line, kind, text):
    found: list[Any] = []
    with pytest.raises(kind, match=text) as caught:
        found.extend(maps(name=None).map_lines([schema(), record(id=1), line], 1))

    assert "line 3" in str(caught.value).lower()


@pytest.mark.parametrize(
    "expressions", [{"name": "name +"}, {"id": None}], ids=["syntax", "a key is removed"]
)
def test_a_map_that_fits_no_record_is_an_invalid_setting(expressions):
    with pytest.raises(SettingsError, match="The setting stream_maps cannot be applied to the str"):
        mapped(maps(**expressions), schema())


def test_an_unknown_function_rejects_every_record():
    made = maps(name="undefined_thing(name)")

    assert [number for number, _ in reasons(made, record(id=1), record(id=2))] == [2, 3]


def test_a_version_before_its_schema_is_ignored_and_logged(capsys):
    assert mapped(maps(name=None), activate(7)) == []
    assert "precedes its SCHEMA; it was ignored" in capsys.readouterr().err


def test_two_properties_that_flattening_gives_one_name_are_refused():
    clash = PEOPLE | {"home__city": {"type": "string"}}
    with pytest.raises(SchemaError, match="two properties would get the same name"):
        mapped(flat(), schema(schema={"properties": clash}))
