"""What must not arrive is left out or hashed, wherever in a record it is."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_scout_postgres import logs
from target_scout_postgres.errors import DataError, SettingsError
from target_scout_postgres.singer.column_rules import (
    Rule,
    hasher_of,
    matches,
    protect,
    protect_schema,
    root,
)
from target_scout_postgres.singer.messages import MappedLines, UnmappedRecord
from target_scout_postgres.singer.protected_lines import LineProtector

KEY = "k" * 32
HASHED = hasher_of(KEY)
STRING = {"type": ["string", "null"]}


def excluded(record, *paths):
    return protect(record, root([Rule(path, is_hash=False) for path in paths]), HASHED)


def hashed(record, *paths):
    return protect(record, root([Rule(path, is_hash=True) for path in paths]), HASHED)


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("a", {"p": {"a": 2, "b": [{"a": 3, "c": 4}, 5], "x.y": 6}}),
        ("p", {"a": 1}),
        ("p.a", {"a": 1, "p": {"b": [{"a": 3, "c": 4}, 5], "x.y": 6}}),
        ("p.b.a", {"a": 1, "p": {"a": 2, "b": [{"c": 4}, 5], "x.y": 6}}),
        ("p.*", {"a": 1, "p": {}}),
        ("*.a", {"a": 1, "p": {"b": [{"a": 3, "c": 4}, 5], "x.y": 6}}),
        ("**.a", {"p": {"b": [{"c": 4}, 5], "x.y": 6}}),
        ("p.**.c", {"a": 1, "p": {"a": 2, "b": [{"a": 3}, 5], "x.y": 6}}),
        ("p.**", {"a": 1}),
        ("**", {}),
        ("p.x.y", {"a": 1, "p": {"a": 2, "b": [{"a": 3, "c": 4}, 5]}}),
        ("p.x?y", {"a": 1, "p": {"a": 2, "b": [{"a": 3, "c": 4}, 5]}}),
        ("?", {}),
        ("P.a", {"a": 1, "p": {"a": 2, "b": [{"a": 3, "c": 4}, 5], "x.y": 6}}),
        ("p.a.b", {"a": 1, "p": {"a": 2, "b": [{"a": 3, "c": 4}, 5], "x.y": 6}}),
    ],
)
def test_a_path_leads_to_what_is_left_out(path, left):
    record = {"a": 1, "p": {"a": 2, "b": [{"a": 3, "c": 4}, 5], "x.y": 6}}

    assert excluded(record, path) == left


def test_paths_that_begin_alike_apply_together_and_names_are_taken_literally():
    record = {"p": {"a": 1, "b": 2, "c[0]": 3, "d+": 4}, "q": {"a": 1}}

    assert excluded(record, "p.a", "p.c[0]", "**.d+") == {"p": {"b": 2}, "q": {"a": 1}}
    assert excluded({"_sdc_deleted_at": 1, "x": 2}, "*") == {"_sdc_deleted_at": 1}
    assert (
        protect({"a": "x"}, root([Rule("a", is_hash=True), Rule("*", is_hash=False)]), HASHED) == {}
    )


def test_equal_values_have_equal_hashes_under_one_key_only():
    record = {"a": "555", "p": {"phone": 555, "phones": ["555", None, "", "556"]}}
    found = hashed(record, "a", "p.phone", "p.phones")
    [first, none, empty, other] = found["p"]["phones"]

    assert found["a"] == found["p"]["phone"] == first != other
    assert (none, empty) == (None, "")
    assert len(first) == 32
    assert "555" not in str(found)
    assert hasher_of("j" * 32)("555") != first
    assert HASHED({"b": 1, "a": {"d": 1, "c": 2}}) == HASHED({"a": {"c": 2, "d": 1}, "b": 1})
    values = ["", None, "a", "A", " a", True, 1.5, {}, [], {"a": 1}, "\ud800"]
    distinct = [str(HASHED(value)) for value in values]
    assert len(set(distinct)) == len(values)


def test_the_schema_fits_the_protected_records():
    schema = {
        "required": ["id", "phone", "born"],
        "properties": {
            "id": {"type": "integer"},
            "phone": {"type": "string"},
            "born": {"type": "string", "format": "date"},
            "age": {"type": ["integer", "null"]},
            "tags": {"type": "array"},
            "p": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "n": {"type": "integer"}, "x": {}},
            },
            "list": {"type": "array", "items": {"properties": {"name": {}, "y": {}}}},
        },
    }
    rules = [Rule(path, is_hash=False) for path in ("phone", "**.name")]
    rules += [Rule(path, is_hash=True) for path in ("id", "born", "age", "tags", "p.n")]
    found = protect_schema(schema, root(rules))

    assert sorted(found["required"]) == ["born", "id"]
    properties = found["properties"]
    assert properties["phone"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert properties["id"] == properties["born"] == properties["age"] == STRING
    assert properties["tags"] == {}
    assert properties["p"] == {"type": "object", "properties": {"n": STRING, "x": {}}}
    assert properties["list"]["items"] == {"properties": {"y": {}}}
    assert schema["required"] == ["id", "phone", "born"]


NAMES = st.sampled_from(["a", "b", "c.d", "case", "#type", "é", "*"])
RECORDS = st.dictionaries(
    NAMES,
    st.recursive(
        st.integers(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=12,
    ),
    min_size=1,
)


def leaves(value, path=()):
    """Yield the path of each number, without the places in arrays."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, (*path, name))
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part, path)
    else:
        yield path


@given(RECORDS, st.data())
def test_exactly_the_values_on_a_path_are_left_out(record, data):
    paths = sorted({*leaves(record)})
    if not paths:
        return
    chosen = data.draw(st.sampled_from(paths))
    written = ".".join(chosen)
    left = excluded(record, written)

    assert [path for path in leaves(left) if path == chosen] == []
    assert protect(left, root([Rule(written, is_hash=False)]), HASHED) == left
    if "*" not in written:
        others = [path for path in leaves(record) if not ".".join(path).startswith(written)]
        assert [p for p in leaves(left) if not ".".join(p).startswith(written)] == others


def test_streams_are_chosen_by_name_or_pattern():
    assert matches("case*", "cases")
    assert not matches("case", "cases")
    assert not matches("a.c", "abc")


def schema_line(stream="people", key=("id",), bookmarks=(), **properties):
    message = {"type": "SCHEMA", "stream": stream, "key_properties": list(key)}
    known = properties or {"id": {"type": "integer"}, "phone": STRING, "at": STRING}
    message |= {"schema": {"properties": known}, "bookmark_properties": list(bookmarks)}
    return msgspec.json.encode(message)


def record_line(stream="people", **values):
    return msgspec.json.encode({"type": "RECORD", "stream": stream, "record": values, "version": 3})


def protected(lines, exclude=None, hash_=None):
    protector = LineProtector(exclude or {}, hash_ or {}, KEY, None)
    return list(protector.map_lines(lines, 1))


def test_only_lines_of_streams_with_rules_change_and_each_keeps_its_number():
    other = b'{"stream":"other", "type":"RECORD",  "record":{"phone":1.10}}'
    state = b'{"type":"STATE","value":{"phone":"x"}}'
    lines = [schema_line(), b"", other, record_line(id=1, phone="555"), state]
    [run] = protected(lines, {"people": ["phone"]})

    assert (run.number, len(run.lines)) == (1, 5)
    assert run.lines[1:3] == [b"", other]
    assert run.lines[4] == state
    assert msgspec.json.decode(run.lines[3]) == {
        "type": "RECORD", "stream": "people", "record": {"id": 1, "phone": None}, "version": 3,
    }  # fmt: skip


def test_a_record_that_cannot_be_read_is_rejected_without_its_text():
    bad = b'{"type":"RECORD","stream":"people","record":["canary"]}'
    lines = [schema_line(), bad, record_line(id=1)]
    before, rejected, after = protected(lines, {"p*": ["phone"]})

    assert isinstance(before, MappedLines)
    assert rejected == UnmappedRecord(2, "people", rejected.reason)
    assert "canary" not in str(rejected.reason)
    assert (after.number, len(after.lines)) == (3, 1)
    [alone] = protected([record_line(id=1, phone="canary")], {"people": ["phone"]})
    assert b"canary" not in alone.lines[0]


@pytest.mark.parametrize(
    ("schema", "exclude", "hash_", "words"),
    [
        ({}, ["phne"], [], r"has no column phne \(did you mean phone\?\)"),
        ({}, [], ["phne.x"], "has no column phne"),
        ({}, ["id"], [], "id of the stream people is its key, and cannot be left out"),
        ({}, ["i*"], [], "is its key"),
        ({"bookmarks": ["at"]}, ["at"], [], "is its bookmark"),
        ({"bookmarks": ["at"]}, [], ["**"], "is its bookmark"),
    ],
)
def test_a_rule_that_cannot_hold_ends_the_run_before_any_record(schema, exclude, hash_, words):
    with pytest.raises(SettingsError, match=words):
        protected([schema_line(**schema)], {"people": exclude}, {"people": hash_})


def test_a_rule_for_several_streams_need_not_fit_each():
    lines = [schema_line(), schema_line("other", id={"type": "integer"})]
    [run] = protected([*lines, record_line(phone="canary", id=1)], {"*": ["phone"]})

    assert b"canary" not in b"".join(run.lines)


def test_a_key_may_be_hashed_and_a_column_may_have_dots_in_its_name():
    lines = [schema_line(**{"id": {"type": "integer"}, "a.b": STRING}), record_line(id=7)]
    [run] = protected(lines, {"people": ["a.b"]}, {"people": ["id"]})

    assert msgspec.json.decode(run.lines[1])["record"] == {"id": HASHED(7)}


class Renamed:
    """A mapper that renames each stream, and remembers what reached it."""

    def __init__(self):
        self.lines = []

    def map_lines(self, lines, number):
        self.lines += lines
        yield MappedLines(number, [line.replace(b"people", b"persons") for line in lines])

    def mapped_streams(self, stream):
        return [stream.replace("people", "persons")] if self.lines else []

    def tap_stream(self, stream):
        return stream.replace("persons", "people")


def test_stream_maps_see_protected_lines_only_and_rejects_have_their_names():
    inner = Renamed()
    protector = LineProtector({"people": ["phone"]}, {}, KEY, inner)
    bad = b'{"type":"RECORD","stream":"people","record":7}'
    lines = [schema_line(), record_line(id=1, phone="canary"), bad, record_line(id=2)]
    first, rejected, last = protector.map_lines(lines, 10)

    assert b"canary" not in b"".join(inner.lines)
    assert (first.number, len(first.lines), last.number) == (10, 2, 13)
    assert (rejected.number, rejected.stream) == (12, "persons")
    assert b'"persons"' in first.lines[0]
    assert protector.tap_stream("persons") == "people"


def test_a_damaged_line_ends_the_run_after_what_precedes_it():
    mapped = LineProtector({"people": ["phone"]}, {}, KEY, None).map_lines(
        [schema_line(), record_line(id=1), b'{"type": "RECORD", canary'], 1
    )

    assert len(next(mapped).lines) == 2
    with pytest.raises(DataError, match="Line 3 is not JSON") as raised:
        next(mapped)
    assert "canary" not in str(raised.value)


def test_rules_that_matched_nothing_are_named_once(capsys):
    rules = {"people": ["properties.phnoe", "phone"], "poeple": ["x"], "absent": ["x"]}
    protector = LineProtector(rules, {}, KEY, None)
    schema = schema_line(id=STRING, phone=STRING, properties={"type": "object"})
    lines = [schema, record_line(id="1", properties={"phone": "5"})]
    for _ in itertools.chain(protector.map_lines(lines, 1), protector.map_lines(lines, 3)):
        pass
    protector.log_outcomes()
    log = capsys.readouterr().err

    assert log.count("nothing in the stream people matched properties.phnoe\n") == 1
    assert log.count("no stream poeple came (did you mean people?)\n") == 1
    assert "absent" not in log


def outcomes_of(monkeypatch, lines, exclude):
    """Return what a program reads of the rules at the end of a run."""
    protector, extras = LineProtector(exclude, {}, KEY, None), []
    for _ in protector.map_lines(lines, 1):
        pass
    monkeypatch.setattr(logs, "info", lambda _text, extra: extras.append(extra))
    protector.log_outcomes()
    return extras[0]["column_rules"]


def test_programs_read_which_rules_have_matched(monkeypatch):
    lines = [schema_line(id=STRING, properties={"type": "object"}), record_line(id="1")]
    rules = {"people": ["properties.phone"], "p*": ["properties.*"]}

    found = outcomes_of(monkeypatch, [*lines, record_line(properties={"phone": "5"})], rules)
    assert found == {"matched": ["p*.properties.*", "people.properties.phone"], "unmatched": []}
    found = outcomes_of(monkeypatch, lines, rules)
    assert found == {"matched": [], "unmatched": ["p*.properties.*", "people.properties.phone"]}


def test_a_stream_without_records_says_nothing_about_its_rules(monkeypatch, capsys):
    lines = [schema_line(id=STRING, phone=STRING, properties={"type": "object"})]
    rules = {"people": ["phone", "properties.phnoe"]}

    assert outcomes_of(monkeypatch, lines, rules) == {"matched": ["people.phone"], "unmatched": []}
    assert "matched" not in capsys.readouterr().err
