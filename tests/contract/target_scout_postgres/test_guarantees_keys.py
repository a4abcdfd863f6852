"""Guarantee 2: keys are compared by value, in a batch as in Postgres, and stay one column."""

from __future__ import annotations

import json
import random
import string

import pytest

INTEGER, NUMBER, TEXT = ({"type": kind} for kind in ("integer", "number", "string"))
MOMENT = {"type": "string", "format": "date-time"}
DAY = {"type": "string", "format": "date"}
UUID = {"type": "string", "format": "uuid"}
MIXED = {"type": ["number", "string", "boolean"]}
ANY: dict = {}
ONE = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


def schema(make, kind, *more):
    return json.dumps(make.schema("k", {"id": kind, "v": "integer"}, ["id", *more]))


def record(raw, v):
    return f'{{"type":"RECORD","stream":"k","record":{{"id":{raw},"v":{v}}}}}'


# Schema of the key, its spellings, how many rows they are.
SPELLINGS = {
    "decimals behind the 17th digit": (MIXED, ["0.1", "0.10000000000000000001"], 2),
    "decimals of a number": (NUMBER, ["0.1", "0.10000000000000000001", "0.10"], 2),
    "integer and number": ({"type": ["integer", "number"]}, ["1", "1.0", "1.5"], 2),
    "whole numbers": (INTEGER, ["1", "1.0", "1e0", "10E-1"], 1),
    "zeros": (NUMBER, ["0", "-0", "0.0", "-0.0", "0e5"], 1),
    "zeros in jsonb": (MIXED, ["0", "-0", "0.0", "-0.0", "0e5"], 1),
    "large numbers": (MIXED, ["1e400", "1E+400", "1e401", "9" * 40, "9" * 40 + ".0"], 3),
    "large integers": (INTEGER, ["9" * 30, "9" * 30 + ".0", "9" * 29 + "8"], 2),
    "booleans, numbers and texts": (ANY, ["true", '"true"', "1", '"1"', "1.0"], 4),
    "objects": (ANY, ['{"a":1,"b":2}', '{"b":2.0,"a":1}', "[1]", "[1.0]", "[[1]]", "[]", "{}"], 5),
    "moments": (
        MOMENT,
        ['"2026-01-05T10:00:00Z"', '"2026-01-05T11:00:00+01:00"', '"2026-01-05 10:00:00 UTC"',
         '"2026-01-05T10:00:00.000001Z"', '"2026-01-05T10:00:00.0000005Z"'],
        2,
    ),
    "days": (DAY, ['"2026-01-05"', '"2026-01-05T00:00:00Z"', '"2026/01/05"'], 1),
    "uuids": (UUID, [f'"{ONE}"', f'"{ONE.upper()}"', f'"{ONE.replace("-", "")}"'], 1),
    "texts with spaces and NUL": (TEXT, ['"a"', '"a "', '" a"', r'"a\u0000"', '"A"'], 4),
    "long texts": (TEXT, [f'"{"x" * 2000}"', f'"{"x" * 2000}y"', f'"{"x" * 2000}"'], 2),
}  # fmt: skip


@pytest.mark.parametrize("size", [100_000, 1])
@pytest.mark.parametrize("name", SPELLINGS)
def test_equal_keys_are_one_row_in_a_batch_as_across_batches(target, make, query, name, size):
    kind, spellings, expected = SPELLINGS[name]
    records = [record(raw, v) for v, raw in enumerate(spellings)]
    target.load(schema(make, kind), *records, batch_size_rows=size)
    assert query("SELECT count(*) FROM {s}.k") == [(expected,)]
    first = query("SELECT v FROM {s}.k ORDER BY v")

    target.load(schema(make, kind), *records)
    assert query("SELECT v FROM {s}.k ORDER BY v") == first


@pytest.mark.parametrize("raw", ["1e200000", "1e99999999999999999999999", "-1E999999"])
@pytest.mark.parametrize("kind", [MIXED, NUMBER, INTEGER, ANY])
def test_a_key_out_of_range_is_rejected_without_an_internal_error(target, make, query, kind, raw):
    good = record("1", 1)
    result = target.load(
        schema(make, kind), good, record(raw, 2), record("2", 3), on_invalid_record="reject"
    )

    assert "1 record rejected" in result.log
    assert query("SELECT v FROM {s}.k ORDER BY v") == [(1,), (3,)]


# Schema of the key at first, keys, schema then, keys that are the same, in pairs.
CHANGES = {
    "integer to text": (INTEGER, ["1", "20"], TEXT, ['"1"', '"20"']),
    "number to text": (NUMBER, ["1.50", "1e3", "-0.0"], TEXT, ['"1.5"', '"1000"', '"0"']),
    "text to integer": (TEXT, ['"1"', '"20"'], INTEGER, ["1", "20.0"]),
    "text to number": (TEXT, ['"1.5"', '"1000"'], NUMBER, ["1.50", "1e3"]),
    "integer to number": (INTEGER, ["1", "20"], NUMBER, ["1.0", "2e1"]),
    "number to integer": (NUMBER, ["1.0", "2e1"], INTEGER, ["1", "20"]),
    "integer to several types": (
        INTEGER, ["1", "20"], {"type": ["integer", "string"]}, ["1", '"20"'],
    ),
    "text to several types": (TEXT, ['"1"', '"x"'], {"type": ["integer", "string"]}, ["1", '"x"']),
    "several types to integer": ({"type": ["integer", "string"]}, ["1", "2"], INTEGER, ["1", "2"]),
    "several types to text": ({"type": ["integer", "string"]}, ['"a"'], TEXT, ['"a"']),
    "boolean to text": ({"type": "boolean"}, ["true", "false"], TEXT, ['"true"', '"false"']),
    "uuid to text": (UUID, [f'"{ONE.upper()}"'], TEXT, [f'"{ONE}"']),
    "text to uuid": (TEXT, [f'"{ONE}"'], UUID, [f'"{ONE.upper()}"']),
    "day to moment": (DAY, ['"2026-01-05"'], MOMENT, ['"2026-01-05T00:00:00Z"']),
    "moment to text": (
        MOMENT, ['"2026-01-05T10:00:00+00:00"'], TEXT, ['"2026-01-05T10:00:00+00:00"'],
    ),
    "text to moment": (TEXT, ['"2026-01-05T10:00:00Z"'], MOMENT, ['"2026-01-05T10:00:00Z"']),
    "day to text": (DAY, ['"2026-01-05"'], TEXT, ['"2026-01-05"']),
}  # fmt: skip


@pytest.mark.parametrize("in_one_run", [True, False])
@pytest.mark.parametrize("name", CHANGES)
def test_a_key_whose_type_changes_keeps_its_rows(target, make, query, columns, name, in_one_run):
    was, first, now, second = CHANGES[name]
    before = [schema(make, was), *[record(raw, 0) for raw in first]]
    after = [schema(make, now), *[record(raw, 1) for raw in second]]
    for messages in [[*before, *after]] if in_one_run else [before, after]:
        target.load(*messages, batch_size_rows=1)

    assert query("SELECT v FROM {s}.k") == [(1,)] * len(first)
    assert set(columns("k")) == {"id", "v"}
    target.load(*after)
    target.load(*before)
    assert query("SELECT v FROM {s}.k") == [(0,)] * len(first)
    keys = "SELECT 1 FROM pg_index WHERE indrelid = '{s}.k'::regclass AND indisprimary"
    assert query(keys) == [(1,)]


@pytest.mark.parametrize("version", [None, 2])
def test_a_key_of_several_columns_and_one_of_a_version_widen_too(target, make, query, version):
    def of(kind, *rows):
        records = [make.record("k", {"id": i, "part": p, "v": v}, version) for i, p, v in rows]
        return [make.schema("k", {"id": kind, "part": "string", "v": "integer"}, ["id", "part"]),
                *records]  # fmt: skip

    target.load(*of("integer", (1, "a", 0), (1, "b", 0)), make.state(1))
    end = [make.activate("k", 2)] if version else []
    target.load(*of("string", ("1", "a", 1), ("2", "a", 1)), *end, make.state(2))

    found = query("SELECT id, part, v FROM {s}.k ORDER BY 1, 2")
    assert found == [("1", "a", 1), ("1", "b", 0), ("2", "a", 1)]


def test_a_key_that_a_view_holds_goes_to_a_filled_sibling_and_stays_one_row(
    target, make, query, columns
):
    target.load(schema(make, INTEGER), *[record(n, 0) for n in (1, 2)])
    query("CREATE VIEW {s}.held AS SELECT id FROM {s}.k")
    for _ in range(2):
        target.load(schema(make, TEXT), *[record(f'"{n}"', 1) for n in (1, 3)])

    assert columns("k") == {"id": "bigint", "v": "bigint", "id__text": "text"}
    found = query("SELECT id__text, v FROM {s}.k ORDER BY 1")
    assert found == [("1", 1), ("2", 0), ("3", 1)]


LONG = "".join(random.Random(1).choices(string.ascii_letters, k=9000))
# Why a table cannot have the key of its stream: its existing rows, and their key.
WITHOUT_KEY = {
    "rows that share a key": ([("a", 1), ("a", 2), ("b", 3)], []),
    "a key too long for an index": ([(LONG, 1), ("a", 2), ("b", 3)], ["id"]),
}


@pytest.mark.parametrize("is_versioned", [False, True])
@pytest.mark.parametrize("name", WITHOUT_KEY)
def test_a_column_that_the_stream_does_not_fill_stays_also_without_the_key(
    target, make, query, name, is_versioned
):
    rows, key = WITHOUT_KEY[name]
    names = {"id": "string", "v": "integer"}
    target.load(
        make.schema("k", names | {"gone": "integer"}, key),
        *[make.record("k", {"id": i, "v": 0, "gone": gone}) for i, gone in rows],
    )
    query("ALTER TABLE {s}.k ADD mine bigint")
    query("UPDATE {s}.k SET mine = gone")
    for version in (1, 2):
        number = version if is_versioned else None
        records = [make.record("k", {"id": i, "v": version}, number) for i in ("a", "b", "c")]
        end = [make.activate("k", version)] if is_versioned else []
        target.load(make.schema("k", names, ["id"]), *records, *end, make.state(version))

    found = query("SELECT id, v, gone, mine FROM {s}.k WHERE length(id) = 1 ORDER BY 1")
    assert found == [("a", 2, 2, 2), ("b", 2, 3, 3), ("c", 2, None, None)]
