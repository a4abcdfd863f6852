"""Singer messages: what a line says, and what is refused with its number."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_scout_postgres.encoding.stream_schema import Property
from target_scout_postgres.errors import DataError, SchemaError
from target_scout_postgres.singer import messages
from target_scout_postgres.singer.messages import (
    decode,
    record_prefix,
    state_of,
    stream_of,
    stream_schema,
    version_of,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def message(**parts: Any) -> messages.Message:
    return decode(json.dumps({"type": "SCHEMA", "stream": "s"} | parts).encode(), 1)


@given(stream=TEXT.filter(bool), record=st.dictionaries(TEXT, st.integers() | TEXT, max_size=3))
def test_the_learnt_beginning_of_a_record_line_leaves_exactly_the_record(stream, record):
    line = b'{"type":"RECORD","stream":%s,"record":%s}' % (
        msgspec.json.encode(stream),
        json.dumps(record).encode(),
    )
    prefix = record_prefix(line, stream)

    # A stream may be called what looks like the beginning of the record.
    assert prefix is not None or '"record"' in json.dumps(stream).replace("\\", "")
    if prefix is not None:
        assert json.loads(line.removeprefix(prefix)[1:-1]) == record


@pytest.mark.parametrize(
    ("line", "is_learnt"),
    [
        (b'{"type":"RECORD","stream":"s","record":{}}', True),
        (b'{"stream":"s","type":"RECORD","record":{}}', True),
        (b'{"type": "RECORD", "stream": "s", "record": {}}', True),
        (b'{"type":"RECORD","stream":"s","version":7,"record":{}}', True),
        (b'{"type":"RECORD","record":{},"stream":"s"}', False),
        (b'{"type":"RECORD","stream":"other","record":{}}', False),
        (b'{"type":"SCHEMA","stream":"s","record":{}}', False),
        (b'{"type":"RECORD","stream":"s","time_extracted":"2026","record":{}}', False),
        (b'{"type":"RECORD","stream":"s"}', False),
        (b'{"type":"RECORD","type":"STATE","stream":"s","record":{}}', False),
        (b'{"type":"RECORD","stream":"s","x":{"record":1},"record":{}}', False),
        (b'"record"', False),
        (b"", False),
        (b"\xff", False),
        (b"[" * 100_000 + b'"record"', False),
    ],
    ids=[
        "usual", "another order", "blanks", "version", "stream after the record",
        "another stream", "another type", "a time that differs per line", "no record",
        "type twice", "record inside", "a text", "empty", "not UTF-8", "deep",
    ],
)  # fmt: skip
def test_only_a_beginning_that_identifies_the_records_of_a_stream_is_learnt(line, is_learnt):
    assert (record_prefix(line, "s") is not None) is is_learnt


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"[]", "is not a Singer message"),
        (b"{}", "is not a Singer message"),
        (b'{"type":5}', "is not a Singer message"),
        (b'{"type":"STATE","stream":5}', "is not a Singer message"),
        (b'{"type":"STATE"', "is not JSON"),
        (b'{"type":"\xff"}', "is not JSON"),
        (b"Traceback (most recent call last):", "is not JSON"),
        (b'{"type":"STATE","value":' + b"[" * 200_000, "is nested more than 5000 levels deep"),
    ],
    ids=["list", "no type", "number", "stream", "cut off", "not UTF-8", "a log line", "deep"],
)
def test_a_line_that_is_no_message_is_refused_with_its_number(line, text):
    with pytest.raises(DataError, match=f"Line 42 {text}"):
        decode(line, 42)


def test_a_schema_says_type_key_and_nullability_of_each_property():
    found = stream_schema(
        message(
            schema={
                "required": ["name"],
                "properties": {
                    "id": {"type": ["integer", "null"]},
                    "name": {"type": ["string", "null"]},
                    "odd": True,
                    "é 🌊": {"type": "boolean"},
                },
            },
            key_properties=["id", "id"],
            bookmark_properties=["name"],
        ),
        1,
    )

    assert found.key == ("id",)
    assert found.has_bookmark
    assert found.properties == (
        Property(name="id", type="bigint", required=True, nullable=False),
        Property(name="name", type="text", required=True, nullable=True),
        Property(name="odd", type="jsonb", required=False, nullable=True),
        Property(name="é 🌊", type="boolean", required=False, nullable=False),
    )


PLAIN = {"properties": {"id": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"schema": None}, "lacks its stream or its schema"),
        ({"schema": []}, "lacks its stream or its schema"),
        ({"schema": PLAIN, "stream": ""}, "lacks its stream or its schema"),
        ({"schema": {}}, "properties must be an object"),
        ({"schema": {"properties": []}}, "properties must be an object"),
        ({"schema": PLAIN | {"required": "id"}}, "and required a list"),
        ({"schema": PLAIN, "key_properties": ["other"]}, "names a key property that is not among"),
        ({"schema": PLAIN, "key_properties": "id"}, "names a key property that is not among"),
        ({"schema": PLAIN, "key_properties": [["id"]]}, "names a key property that is not among"),
        ({"schema": PLAIN, "key_properties": [None]}, "names a key property that is not among"),
    ],
)
def test_a_schema_that_cannot_become_a_table_is_refused(parts, text):
    with pytest.raises(SchemaError, match=text):
        stream_schema(message(**parts), 1)


@pytest.mark.parametrize("key", [None, []], ids=["null", "empty"])
def test_a_stream_may_have_no_key(key):
    assert stream_schema(message(schema=PLAIN, key_properties=key), 1).key == ()


@pytest.mark.parametrize("value", [0, 1, -1, 2**63 - 1, -(2**63), 1700000000000])
def test_a_version_is_any_64_bit_integer(value):
    assert version_of(message(version=value), 1) == value


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 1.5, "7", True, [], {}, 10**30], ids=str)
def test_another_version_is_refused(value):
    with pytest.raises(DataError, match="is not a 64-bit integer"):
        version_of(message(version=value), 1)


@pytest.mark.parametrize("parts", [{}, {"version": None}], ids=["absent", "null"])
def test_a_message_may_have_no_version(parts):
    assert version_of(message(**parts), 1) is None


def test_a_number_of_too_many_digits_where_a_version_should_be_is_refused():
    line = b'{"type":"RECORD","stream":"s","record":{},"version":' + b"7" * 5000 + b"}"
    with pytest.raises(DataError, match="Line 3 holds a number too large"):
        version_of(decode(line, 3), 3)


@pytest.mark.parametrize("value", [{}, None, [], ""], ids=str)
def test_an_empty_state_is_none(value):
    assert state_of(message(type="STATE", value=value), 1) is None


@given(value=st.dictionaries(TEXT, st.integers() | TEXT, min_size=1, max_size=4))
def test_a_state_is_passed_on_byte_for_byte(value):
    text = json.dumps(value, ensure_ascii=False, indent=1).encode()

    assert state_of(decode(b'{"type":"STATE","value":' + text + b"}", 1), 1) == text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"type":"STATE"}', "Line 9 is a STATE without a value"),
        (b'{"type":"STATE","value":{"a":"\xff"}}', "Line 9 is a STATE that is not UTF-8"),
    ],
)
def test_a_state_that_could_not_be_stored_is_refused(line, text):
    with pytest.raises(DataError, match=text):
        state_of(decode(line, 9), 9)


@pytest.mark.parametrize("parts", [{"stream": None}, {"stream": ""}], ids=["null", "empty"])
def test_a_message_without_a_stream_is_refused_by_its_kind(parts):
    with pytest.raises(DataError, match="Line 9 is a BATCH without a stream"):
        stream_of(message(type="BATCH", **parts), 9)
