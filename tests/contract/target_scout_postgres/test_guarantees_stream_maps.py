"""Stream maps and flattening: hidden values stay hidden, and other values stay exact."""

from __future__ import annotations

import hashlib
import json

import pytest

ADDRESS = "ada@example.org"
HIDDEN = hashlib.md5(ADDRESS.encode()).hexdigest()
FLAT = {"flattening_enabled": True, "flattening_max_depth": 2}
PEOPLE = {"id": "integer", "email": "string", "o": "object"}


def masked(**more):
    return {"stream_maps": {"people": {"email": "md5(email)", **more}}}


@pytest.fixture
def everything(query, dataset_schema):
    """All that is in the dataset schema, as one text."""

    def read():
        found = query("SELECT tablename FROM pg_tables WHERE schemaname = %s", dataset_schema)
        names = [name for (name,) in found]
        return "\n".join(str(query(f'SELECT t::text FROM {{s}}."{name}" t')) for name in names)

    return read


def file_of(path, *records):
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    encoding = {"format": "jsonl", "compression": "none"}
    return {"type": "BATCH", "encoding": encoding, "manifest": [str(path)]}


def test_files_of_a_batch_go_through_maps_filters_aliases_and_flattening(
    target, make, query, everything, tmp_path
):
    records = [
        {"id": 1, "email": ADDRESS, "name": {"first": "Ada"}, "tags": ["x"]},
        {"id": 2, "email": "bo@example.org", "name": {"first": "Bo"}},
        {"id": 3, "email": "cy@example.org", "name": None},
    ]
    batch = file_of(tmp_path / "people.jsonl", *records)
    name = {"type": ["object", "null"], "properties": {"first": {"type": "string"}}}
    properties = {"id": "integer", "email": "string", "name": name, "tags": "array"}
    messages = []
    for stream in ("people", "left", "only", "other"):
        messages += [make.schema(stream, properties, ["id"])]
        messages += [make.record(stream, records[0] | {"id": 0}), batch | {"stream": stream}]
    result = target.load(
        *messages,
        make.state({"bookmarks": {"people": 3}}),
        stream_maps={
            "people": {"__alias__": "persons", "__filter__": "id < 3", "email": "md5(email)"},
            "left": None,
            "only": {"__else__": None, "__key_properties__": ["hash"], "hash": "sha256(email)"},
            "copies": {"__source__": "people", "email": None, "name": None, "twice": "int(id * 2)"},
            "other": {"email": "config['salt'] + md5(email)[:3]"},
        },
        stream_map_config={"salt": "s"},
        **FLAT,
    )

    assert result.states == [{"bookmarks": {"people": 3}}]
    assert query("SELECT id, email, name__first, tags FROM {s}.persons ORDER BY id") == [
        (0, HIDDEN, "Ada", '["x"]'),
        (1, HIDDEN, "Ada", '["x"]'),
        (2, hashlib.md5(b"bo@example.org").hexdigest(), "Bo", None),
    ]
    assert query("SELECT id, twice FROM {s}.copies ORDER BY id")[-1] == (3, 6)
    assert query("SELECT count(*), count(DISTINCT hash) FROM {s}.only") == [(3, 3)]
    assert query("SELECT count(*) FROM {s}.other") == [(4,)]
    assert query("SELECT to_regclass('{s}.left'), to_regclass('{s}.people')") == [(None, None)]
    assert "example.org" not in everything()
    assert "example.org" not in result.log


# Values as written in a line; the result is the same with and without maps.
ODD = {
    "half an emoji": r'"cut \ud83d here"',
    "the other half": r'"\ude00 and \uD83D"',
    "an emoji": r'"\ud83d\ude00"',
    "NUL": r'"a\u0000b"',
    "a backslash before": r'"\\ud83d\\u0000"',
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "minus nought": "-0",
    "minus nought point": "-0.0",
    "beyond double": "1e400",
    "beyond numeric": "1e999999",
    "beyond Decimal": "1e99999999999999999999999",
    "exact": "0.10000000000000000001",
    "trailing zeros": "1.500",
    "small": "0.0000000012300",
    "64 bits": "9223372036854775808",
    "4,300 digits": "7" * 4300,
    "more digits than Python takes": "7" * 20_000,
    "more digits than numeric holds": "7" * 140_000,
    "a name twice": '{"a":1,"a":[],"b":1,"\\u0062":2}',
    "an escaped name": '{"\\u0061\\n\\"":1}',
    "deep": "[" * 900 + "1" + "]" * 900,
    "too deep": '{"a":' * 6000 + "1" + "}" * 6000,
    "no UTF-8": '"\udcff"',
    "text": '"a\\tb\\n\\\\"',
}
TYPES = {
    "n": {"type": ["number", "null"]},
    "i": {"type": ["integer", "null"]},
    "t": {"type": ["string", "null"]},
    "o": {"type": ["object", "array", "string", "number", "null"]},
}


MAPS = {
    "maps": {
        "stream_maps": {"n": {"seen": "'yes'"}, "i": {"__else__": None, "id": "id", "v": "v"}},
    },
    "a map of another stream": {"stream_maps": {"other": {"a": "b"}}},
}


def test_odd_values_come_to_the_same_as_without_maps(target, query):
    values = [value for value in ODD.values() if value not in WHOLE_LINES]
    text = []
    for stream, part in TYPES.items():
        schema = {"properties": {"id": {"type": "integer"}, "v": part}}
        head = {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": ["id"]}
        text += [json.dumps(head)]
        text += [
            f'{{"type":"RECORD","stream":"{stream}","record":{{"id":{n},"v":{value}}}}}'
            for n, value in enumerate(values)
        ]
    data = "\n".join(text).encode("utf-8", "surrogateescape") + b"\n"

    def outcome(settings):
        result = target.run(data, on_invalid_record="reject", **settings)
        assert result.code == 0, result.log[-600:]
        found = {s: query(f"SELECT id, v::text FROM {{s}}.{s} ORDER BY id") for s in TYPES}
        found["rejected"] = query("SELECT line FROM {s}._scout_rejects ORDER BY line")
        for table in (*TYPES, "_scout_rejects"):
            query(f"DROP TABLE {{s}}.{table}")
        return found

    plain = outcome({})
    for name, settings in MAPS.items():
        mapped = outcome(settings)
        for part, rows in plain.items():
            assert mapped[part] == rows, (name, part)


WHOLE_LINES = [ODD[name] for name in ("NaN", "Infinity", "too deep")]


UNREADABLE = [(masked(), [*WHOLE_LINES, "{'a': 1}"]), (FLAT, [WHOLE_LINES[0], WHOLE_LINES[2]])]


@pytest.mark.parametrize(("extra", "values"), UNREADABLE, ids=["maps", "flattening"])
def test_a_line_that_cannot_be_read_ends_the_run_with_65(target, make, everything, extra, values):
    stream = make.schema("people", PEOPLE, ["id"])
    good = make.record("people", {"id": 1, "email": ADDRESS})
    for value in values:
        odd = '{"type":"RECORD","stream":"people","record":{"id":2,"email":"%s","o":%s}}'
        odd %= (ADDRESS, value)
        result = target.run(stream, good, make.state({"a": 1}), odd, make.state({"a": 2}), **extra)
        assert (result.code, result.states) == (65, [{"a": 1}]), result.log[-600:]
        assert "Line 4" in result.log
        assert ADDRESS not in result.log
    assert (ADDRESS in everything()) == (extra == FLAT)


UNMAPPABLE = {
    "no text": '{"id":2,"email":%s5}',
    "nothing": '{"id":2,"more":"%s"}',
    "an object": '{"id":2,"email":{"of":"%s"}}',
    "no object": '["%s"]',
    "text alone": '"%s"',
    "no UTF-8": '{"id":2,"email":"%s\udcff"}',
    "beyond Decimal": '{"id":2,"email":"%s","o":1e99999999999999999999999}',
}


def test_a_record_that_cannot_be_mapped_is_rejected_and_not_stored(
    target, make, query, everything, tmp_path
):
    stream = make.schema("people", PEOPLE, ["id"])
    head, numbers = '{"type":"RECORD","stream":"people","record":', []
    lines = [json.dumps(stream), head + json.dumps({"id": 1, "email": ADDRESS}) + "}"]
    for value in UNMAPPABLE.values():
        lines.append(head + value.replace("%s", "" if "%s5" in value else ADDRESS) + "}")
        numbers.append(len(lines))
    for line in (lines[3], lines[-2]):
        data = "\n".join([*lines[:2], line]).encode("utf-8", "surrogateescape") + b"\n"
        result = target.run(data, **masked())
        assert (result.code, "Line 3" in result.log) == (65, True), result.log
        assert ADDRESS not in result.log
    batch = file_of(tmp_path / "people.jsonl", {"id": 3, "email": ADDRESS}, {"id": 4, "email": 4})
    lines += [json.dumps(batch | {"stream": "people"}), json.dumps(make.state({"a": 1}))]
    data = "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n"
    result = target.run(data, on_invalid_record="reject", **masked())

    assert (result.code, result.states) == (0, [{"a": 1}])
    assert f"{len(UNMAPPABLE) + 1} records rejected" in result.log
    assert query("SELECT id, email FROM {s}.people ORDER BY id") == [(1, HIDDEN), (3, HIDDEN)]
    kept = query("SELECT line, record FROM {s}._scout_rejects ORDER BY line")
    assert kept == [(line, None) for line in (*numbers, len(lines) - 1)]
    assert ADDRESS not in everything()
    assert ADDRESS not in result.log


EXPRESSIONS = [
    "float('nan')",
    "float('inf')",
    "1e308 * 10",
    "[{'a': float('nan')}]",
    "2 ** 2",
    "1/0",
]


def test_an_expression_that_gives_invalid_json_rejects_its_record(target, make, query):
    several = {"type": ["number", "array", "null"]}
    messages, maps = [], {}
    for number, expression in enumerate(EXPRESSIONS):
        stream = f"t{number}"
        messages += [make.schema(stream, {"id": "integer", "v": several}, ["id"])]
        messages += [make.record(stream, {"id": n}) for n in (1, 2, 3)]
        maps[stream] = {"v": f"{expression} if id == 2 else record['id']"}
    target.load(*messages, on_invalid_record="reject", stream_maps=maps)

    for number, expression in enumerate(EXPRESSIONS):
        wanted = [(1, "1"), (2, "4"), (3, "3")] if "**" in expression else [(1, "1"), (3, "3")]
        assert query(f"SELECT id, v::text FROM {{s}}.t{number} ORDER BY id") == wanted, expression


def test_text_that_an_expression_makes_is_clean_as_all_text(target, make, query):
    stream = make.schema("t", {"id": "integer", "v": "string"}, ["id"])
    maps = {"stream_maps": {"t": {"v": r"'a\u0000b'", "w": r"json.loads('\"\\u0000c\"')"}}}
    target.load(stream, make.record("t", {"id": 1}), **maps)

    assert query("SELECT v, w FROM {s}.t") == [("ab", "c")]


def test_a_record_whose_mapped_key_is_null_is_rejected(target, make, query):
    stream = make.schema("t", {"id": "integer", "k": "string"}, ["id"])
    maps = {"stream_maps": {"t": {"__key_properties__": ["k"], "k": "k if id > 1 else None"}}}
    records = [make.record("t", {"id": n, "k": "x"}) for n in (1, 2)]
    rejected = target.run(stream, *records, **maps)
    target.load(stream, *records, make.state({"a": 1}), on_invalid_record="reject", **maps)

    assert (rejected.code, "key property k is null" in rejected.log) == (65, True)
    assert query("SELECT id, k FROM {s}.t") == [(2, "x")]


def test_maps_that_cannot_be_applied_to_a_schema_are_a_wrong_setting(target, make):
    stream = make.schema("t", {"id": "integer", "k": "string"}, ["id"])
    for wrong in ({"id": None}, {"k": {"a": 1}}):
        result = target.run(stream, make.record("t", {"id": 1}), stream_maps={"t": wrong})
        assert (result.code, "stream_maps" in result.log) == (2, True), result.log


def test_no_stream_is_taken_for_another_ones_alias(target, make, query, tmp_path):
    stream = make.schema("a", {"id": "integer", "email": "string"}, ["id"])
    maps = {"stream_maps": {"a": {"__alias__": "b", "email": "md5(email)"}}}
    raw = {"id": 2, "email": ADDRESS}
    batch = file_of(tmp_path / "b.jsonl", raw) | {"stream": "b"}
    for message in (make.record("b", raw), batch):
        result = target.run(stream, make.record("a", {"id": 1, "email": ADDRESS}), message, **maps)
        assert result.code == 65
        assert "stream b, but no SCHEMA of that stream precedes it" in result.log
    early = target.load(stream, make.activate("b", 7), make.state({"a": 1}), **maps)

    assert "precedes its SCHEMA" in early.log
    assert query("SELECT id, email FROM {s}.b") == [(1, HIDDEN)]


def test_streams_that_share_an_alias_keep_their_own_schemas(target, make, query):
    first = make.schema("a1", {"id": "integer", "x": "string"}, ["id"])
    second = make.schema("a2", {"id": "integer", "y": "string"}, ["id"])
    target.load(
        first,
        second,
        *[
            make.record(name, {"id": n, field: str(n)})
            for n, (name, field) in enumerate([("a1", "x"), ("a2", "y")] * 2)
        ],
        make.state({"a": 1}),
        stream_maps={"a*": {"__alias__": "'all'"}},
    )

    assert query("SELECT id, x, y FROM {s}.all ORDER BY id") == [
        (0, "0", None),
        (1, None, "1"),
        (2, "2", None),
        (3, None, "3"),
    ]


def test_mapped_lines_keep_their_numbers_and_their_order(target, make, query, tmp_path):
    maps = {"stream_maps": {"t": {"__filter__": "id != 2"}, "u": {"__source__": "t", "w": "v"}}}
    later = make.schema("t", {"id": "integer", "v": "string"}, ["id"])
    target.load(
        make.schema("t", {"id": "integer", "v": "integer"}, ["id"]),
        make.record("t", {"id": 1, "v": 1}),
        make.record("t", {"id": 2, "v": 2}),
        "",
        make.record("t", {"id": 3, "v": "x"}),
        file_of(tmp_path / "t.jsonl", {"id": 4, "v": 4}, {"id": 5, "v": "y"}) | {"stream": "t"},
        later,
        make.record("t", {"id": 6, "v": "z"}),
        make.state({"a": 1}),
        on_invalid_record="reject",
        **maps,
    )

    assert query("SELECT id, v, v__text FROM {s}.t ORDER BY id") == [
        (1, 1, None),
        (4, 4, None),
        (6, None, "z"),
    ]
    assert query("SELECT count(*) FROM {s}.u") == [(4,)]
    assert query("SELECT stream, line FROM {s}._scout_rejects ORDER BY 1, 2") == [
        ("t", 5),
        ("t", 6),
        ("u", 5),
        ("u", 6),
    ]


def test_a_schema_without_properties_goes_through_the_maps_too(target, make, query, everything):
    bare = {"type": "SCHEMA", "stream": "people", "schema": {}, "key_properties": []}
    raw = make.record("people", {"id": 1, "email": ADDRESS})
    target.load(bare, raw, make.state({"a": 1}), **masked())

    assert HIDDEN in everything()
    assert ADDRESS not in everything()


def test_an_aliased_stream_has_separate_versions(target, make, query):
    stream = make.schema("t", {"id": "integer"}, ["id"])
    maps = {"stream_maps": {"t": {"__alias__": "u"}, "w": {"__source__": "t"}}}
    for version, numbers in ((1, (1, 2)), (2, (2, 3))):
        records = [make.record("t", {"id": n}, version) for n in numbers]
        end = [make.activate("t", version), make.state({"v": version})]
        assert target.load(stream, *records, *end, **maps).states == [{"v": version}]

    assert query("SELECT id FROM {s}.u ORDER BY id") == [(2,), (3,)]
    assert query("SELECT id FROM {s}.w ORDER BY id") == [(2,), (3,)]


def test_a_record_without_properties_stays_a_record(target, make, query):
    stream = make.schema("t", {"v": "string"})
    maps = {"stream_maps": {"t": {"v": None, "w": "x"}, "u": {"__source__": "t", "v": None}}}
    maps["stream_maps"]["t"].pop("w")
    target.load(stream, make.record("t", {"v": "a"}), make.state({"a": 1}), **maps)

    assert query("SELECT count(*) FROM {s}.t") == [(1,)]
    assert query("SELECT count(*) FROM {s}.u") == [(1,)]


def test_flattening_leaves_no_property_without_a_column(target, make, query, columns):
    inner = {"type": "object", "properties": {"city": {"anyOf": [{"type": "string"}, {}]}}}
    properties = {
        "id": "integer",
        "any": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "null first": {"oneOf": [{"type": "null"}, {"type": "string", "format": "date"}]},
        "ref": {"$ref": "#/definitions/n"},
        "place": {"$ref": "#/definitions/place"},
        "maybe": {"anyOf": [{"type": "null"}, inner]},
        "mixed": {"type": ["object", "string", "null"], "properties": {"a": {"type": "string"}}},
        "true": True,
        "self": {"$ref": "#/definitions/self"},
    }
    definitions = {
        "n": {"type": ["number", "null"]},
        "place": inner,
        "self": {"type": "object", "properties": {"in": {"$ref": "#/definitions/self"}}},
    }
    stream = make.schema("t", properties, ["id"], definitions=definitions)
    record = {"id": 1, "any": 5, "null first": "2026-01-05", "ref": 1.5, "place": {"city": "x"}}
    record |= {"maybe": {"city": "y"}, "mixed": {"a": "z"}, "true": "t", "self": {"in": {"in": 1}}}
    target.load(stream, make.record("t", record), make.record("t", {"id": 2, "mixed": "s"}), **FLAT)

    assert query(
        'SELECT "any", "null first"::text, ref::text, place__city, maybe__city, mixed, "true" '
        "FROM {s}.t ORDER BY id"
    ) == [
        (5, "2026-01-05", "1.5", "x", "y", '{"a":"z"}', "t"),
        (None, None, None, None, None, "s", None),
    ]
    types = columns("t")
    assert (types["any"], types["null first"], types["ref"]) == ("bigint", "date", "numeric")
    assert [name for name in types if name.startswith("self")] != []


def test_flattening_writes_what_has_no_type_or_several_as_text(target, make, query):
    properties = {"id": "integer", "v": {}, "w": {"type": ["array", "integer"]}, "e": {"enum": [1]}}
    properties |= {"o": {"type": "object", "properties": {"v": {}}}}
    values = [1, 1.50, True, "a", [1], {"a": 2}, None]
    target.load(
        make.schema("t", properties, ["id"]),
        *[
            make.record("t", {"id": n, "v": v, "w": v, "e": v, "o": {"v": v}})
            for n, v in enumerate(values)
        ],
        make.state({"a": 1}),
        **FLAT,
    )

    wanted = ["1", "1.5", "true", "a", "[1]", '{"a":2}', None]
    rows = query("SELECT v, w, e, o__v FROM {s}.t ORDER BY id")
    assert rows[:5] + rows[6:] == [(text,) * 4 for text in wanted[:5] + wanted[6:]]
    assert rows[5][:3] == (wanted[5],) * 3


def test_a_value_that_flattening_cannot_take_apart_is_rejected(target, make, query):
    name = {"type": ["object", "null"], "properties": {"first": {"type": "string"}}}
    stream = make.schema("t", {"id": "integer", "name": name}, ["id"])
    good = [
        make.record("t", {"id": n, "name": v}) for n, v in enumerate([None, {}, {"first": "A"}])
    ]
    bad = make.record("t", {"id": 9, "name": "Ada"})
    rejected = target.run(stream, *good, bad, **FLAT)

    assert (rejected.code, "property name is not an object" in rejected.log) == (65, True)
    assert "Ada" not in rejected.log
    assert query("SELECT id, name__first FROM {s}.t ORDER BY id") == [
        (0, None),
        (1, None),
        (2, "A"),
    ]


def test_schemas_that_cannot_be_flattened_exit_65(target, make):
    twice = {
        "id": "integer",
        "a__b": "string",
        "a": {"type": "object", "properties": {"b": {"type": "string"}}},
    }
    deep = {"type": "object", "properties": {}}
    for _ in range(300):
        deep = {"type": "object", "properties": {"a": deep}}
    for properties in (twice, {"id": "integer", "deep": deep}):
        result = target.run(make.schema("t", properties, ["id"]), **FLAT)
        assert result.code in (0, 65), result.log[-600:]
        assert "Internal error" not in result.log
    assert target.run(make.schema("t", twice, ["id"]), **FLAT).code == 65
