"""Guarantees 4 and 5: tables follow schemas, any name, any text, exact values."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal

import pytest

NAME_63 = "n" * 63


def test_types_of_columns(target, make, columns):
    properties = {
        "moment": {"type": ["string", "null"], "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "clock": {"type": "string", "format": "time"},
        "ident": {"type": "string", "format": "uuid"},
        "mail": {"type": "string", "format": "email"},
        "text": {"type": "string"},
        "whole": {"type": "integer"},
        "number": {"type": "number"},
        "flag": {"type": "boolean"},
        "object": {"type": "object"},
        "list": {"type": "array"},
        "anything": {},
        "several": {"type": ["string", "integer", "null"]},
        "either": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "referred": {"$ref": "#/definitions/flag"},
    }
    target.load(make.schema("t", properties, definitions={"flag": {"type": "boolean"}}))

    assert columns("t") == {
        "moment": "timestamp with time zone",
        "day": "date",
        "clock": "time without time zone",
        "ident": "uuid",
        "mail": "text",
        "text": "text",
        "whole": "bigint",
        "number": "numeric",
        "flag": "boolean",
        "object": "jsonb",
        "list": "jsonb",
        "anything": "jsonb",
        "several": "jsonb",
        "either": "timestamp with time zone",
        "referred": "boolean",
    }


NUMBERS = [
    "0", "-0.0", "1.10", "1e300", "-1.5E-7", "0.1", "100000", "1e3", "1.000e2", "12345.6789e-3",
    "123456789012345678901234567890.123456789", "1e-300", "9999", "10000", "0.0001", "0.00001",
    "99999999.9999", "-7",
]  # fmt: skip


def test_numbers_keep_every_digit(target, make, query):
    stream = json.dumps(make.schema("t", {"k": "integer", "n": "number"}, ["k"]))
    records = [
        f'{{"type":"RECORD","stream":"t","record":{{"k":{k},"n":{text}}}}}'
        for k, text in enumerate(NUMBERS)
    ]
    target.load(stream, *records)

    found = query("SELECT n::text FROM {s}.t ORDER BY k")
    assert found == query("SELECT x::numeric::text FROM unnest(%s) AS x", NUMBERS)


def test_a_number_written_with_more_digits_replaces_the_equal_one(target, make, query):
    stream = json.dumps(make.schema("t", {"k": "integer", "n": "number"}, ["k"]))
    for text in ("1.1", "1.10"):
        target.load(stream, f'{{"type":"RECORD","stream":"t","record":{{"k":1,"n":{text}}}}}')

    assert query("SELECT n::text FROM {s}.t") == [("1.10",)]


MOMENTS = {
    "2020-02-29T23:59:59.123456Z": "2020-02-29 23:59:59.123456+00",
    "2020-01-01T00:00:00": "2020-01-01 00:00:00+00",
    "2020-01-01 10:00": "2020-01-01 10:00:00+00",
    "2020-01-01": "2020-01-01 00:00:00+00",
    "2020-01-01T00:00:00+05:30": "2019-12-31 18:30:00+00",
    "2020-01-01T00:00:00-0800": "2020-01-01 08:00:00+00",
    "1899-12-31T00:00:00Z": "1899-12-31 00:00:00+00",
    "2016-12-31T23:59:60Z": "2017-01-01 00:00:00+00",
    "2020-01-01T24:00:00Z": "2020-01-02 00:00:00+00",
    "0001-01-01T00:00:00Z": "0001-01-01 00:00:00+00",
    "+12020-01-01T00:00:00Z": "12020-01-01 00:00:00+00",
    "-0043-03-15T00:00:00Z": "0044-03-15 00:00:00+00 BC",
    "9999-12-31T23:59:59-10:00": "10000-01-01 09:59:59+00",
}


def test_date_times_are_instants_and_utc_without_a_zone(target, make, query):
    moment = {"type": "string", "format": "date-time"}
    stream = make.schema("t", {"k": "string", "at": moment}, ["k"])
    target.load(stream, *[make.record("t", {"k": text, "at": text}) for text in MOMENTS])

    query("SET timezone = 'UTC'")
    assert dict(query("SELECT k, at::text FROM {s}.t")) == MOMENTS


def test_dates_times_and_uuids(target, make, query):
    one = uuid.uuid4()
    stream = make.schema(
        "t",
        {
            "d": {"type": "string", "format": "date"},
            "t": {"type": "string", "format": "time"},
            "u": {"type": "string", "format": "uuid"},
        },
    )
    target.load(
        stream,
        make.record("t", {"d": "2020-02-29", "t": "10:11:12.5", "u": str(one)}),
        make.record("t", {"d": "2020-02-29T00:00:00Z", "t": "10:11Z", "u": one.hex.upper()}),
    )

    assert query("SELECT d, t, u::text FROM {s}.t") == [
        (dt.date(2020, 2, 29), dt.time(10, 11, 12, 500000), str(one)),
        (dt.date(2020, 2, 29), dt.time(10, 11), str(one)),
    ]


def test_integers_beyond_64_bits_widen_the_column(target, make, query, columns):
    stream = make.schema("t", {"k": "string", "n": "integer"}, ["k"])
    target.load(stream, make.record("t", {"k": "a", "n": 2**63 - 1}))
    assert columns("t")["n"] == "bigint"
    result = target.load(
        stream,
        *[make.record("t", {"k": k, "n": n}) for k, n in (("b", 1), ("c", 2**70), ("d", -5))],
    )

    assert columns("t")["n"] == "numeric"
    assert "64 bits" in result.log
    assert query("SELECT n FROM {s}.t ORDER BY k") == [(2**63 - 1,), (1,), (2**70,), (-5,)]
    target.load(stream, make.record("t", {"k": "e", "n": 7}))
    assert query("SELECT n FROM {s}.t WHERE k = 'e'") == [(Decimal(7),)]


def test_integers_beyond_64_bits_go_to_a_sibling_under_a_view(target, make, query, columns):
    stream = make.schema("t", {"k": "string", "n": "integer"}, ["k"])
    target.load(stream, make.record("t", {"k": "a", "n": 1}))
    query("CREATE VIEW {s}.held AS SELECT n FROM {s}.t")
    result = target.load(stream, make.record("t", {"k": "b", "n": 2**70}))

    assert columns("t") == {"k": "text", "n": "bigint", "n__numeric": "numeric"}
    assert query("SELECT k, n, n__numeric FROM {s}.t ORDER BY k") == [
        ("a", 1, None),
        ("b", None, 2**70),
    ]
    assert "n__numeric" in result.log


def test_new_columns_are_added_in_mid_stream(target, make, query):
    result = target.load(
        make.schema("t", {"k": "string"}, ["k"]),
        make.record("t", {"k": "a"}),
        make.schema("t", {"k": "string", "new": "integer"}, ["k"]),
        make.record("t", {"k": "b", "new": 5}),
        make.schema("t", {"k": "string"}, ["k"]),
        make.record("t", {"k": "c"}),
        make.state({"n": 3}),
    )

    assert query("SELECT k, new FROM {s}.t ORDER BY k") == [("a", None), ("b", 5), ("c", None)]
    assert result.states == [{"n": 3}]


def test_a_number_widens_an_integer_column_and_an_integer_fits_a_number_column(
    target, make, query, columns
):
    target.load(make.schema("t", {"n": "integer"}), make.record("t", {"n": 1}))
    target.load(make.schema("t", {"n": "number"}), make.record("t", {"n": 1.5}))
    target.load(make.schema("t", {"n": "integer"}), make.record("t", {"n": 2}))

    assert columns("t") == {"n": "numeric"}
    assert query("SELECT n FROM {s}.t ORDER BY n") == [(1,), (Decimal("1.5"),), (2,)]


def test_what_cannot_widen_goes_to_a_sibling_and_back(target, make, query, columns):
    was = make.schema("t", {"k": "string", "v": "string"}, ["k"])
    now = make.schema("t", {"k": "string", "v": "integer"}, ["k"])
    target.load(was, make.record("t", {"k": "a", "v": "x"}), make.record("t", {"k": "b", "v": "y"}))
    result = target.load(now, make.record("t", {"k": "b", "v": 5}))
    assert "v__bigint" in result.log
    assert columns("t") == {"k": "text", "v": "text", "v__bigint": "bigint"}
    assert query("SELECT v, v__bigint FROM {s}.t ORDER BY k") == [("x", None), (None, 5)]

    target.load(was, make.record("t", {"k": "b", "v": "z"}))
    assert query("SELECT v, v__bigint FROM {s}.t ORDER BY k") == [("x", None), ("z", None)]
    assert query("SELECT col_description('{s}.t'::regclass, 3)") == [("v",)]


def test_schema_evolution_can_be_forbidden(target, make, columns):
    fail = {"schema_evolution": "fail"}
    target.load(make.schema("t", {"k": "string"}, ["k"]), **fail)
    result = target.run(make.schema("t", {"k": "string", "new": "string"}, ["k"]), **fail)

    assert result.code == 65
    assert "schema_evolution" in result.log
    assert columns("t") == {"k": "text"}


def test_an_identical_schema_costs_nothing(target, make, query):
    again = make.schema("t", {"k": "string"}, ["k"])
    messages = []
    for n in range(2000):
        messages += [again, make.record("t", {"k": str(n)})]
    target.load(*messages, batch_size_rows=100_000)

    ((rows, batches),) = query("SELECT count(*), count(DISTINCT xmin::text) FROM {s}.t")
    assert rows == 2000
    assert batches < 50


NAMES = [
    "a" * 64, "a" * 65, "a" * 200, "Name", "name", "NAME", "select", 'quo"te', "back\\slash", "नाम",
    "म" * 30, "म" * 31, "ctid", "xmin", "", " ", "a.b", "a-b", "%s", "{x}", "tab\there", "emoji 😀",
    "_scout_x", NAME_63,
]  # fmt: skip


def test_any_names_get_distinct_columns_that_are_stable_across_runs(target, make, query):
    stream = make.schema("t", {"k": "integer"} | dict.fromkeys(NAMES, "string"), ["k"])
    values = {name: f"value {n}" for n, name in enumerate(NAMES)}
    for key in (1, 2):
        target.load(stream, make.record("t", {"k": key, **values}))

    first, second = query("SELECT to_jsonb(t) - 'k' FROM {s}.t AS t ORDER BY k")
    assert first == second
    assert sorted(first[0].values()) == sorted(values.values())
    for name in ("name", "Name", "select", 'quo"te', "नाम", NAME_63):
        assert first[0][name] == values[name]
    comments = dict(
        query(
            "SELECT col_description('{s}.t'::regclass, attnum), attname::text FROM pg_attribute "
            "WHERE attrelid = '{s}.t'::regclass AND attnum > 0"
        )
    )
    for name in ("a" * 64, "a" * 65, "a" * 200, "म" * 31, "ctid"):
        assert first[0][comments[name]] == values[name]


def test_any_stream_names_get_distinct_tables(target, make, query):
    streams = ["Cases", "cases", "c" * 64, "c" * 65, "a.b", "public-users", "_scout_loads", "मामला"]
    messages = []
    for name in streams:
        messages += [make.schema(name, {"n": "string"}), make.record(name, {"n": name})]
    target.load(*messages)

    found = query(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'",
        target.schema,
    )
    assert len(found) == len(streams) + 2  # with the load log and the lock
    assert query('SELECT n FROM {s}."public-users"') == [("public-users",)]
    assert query("SELECT count(*) FROM {s}._scout_loads") == [(len(streams),)]


TEXTS = [
    "tab\tnewline\nreturn\rback\\slash", "\\.", "\\N", "quote'\"", "😀 नेपाल école", "\x02\x7f", "",
    "a" * 100_000, "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("is_ascii", [True, False])
def test_any_text_arrives_unchanged(target, make, query, is_ascii):
    stream = make.schema("t", {"k": "integer", "s": "string", "j": "object"}, ["k"])
    records = [
        json.dumps(
            make.record("t", {"k": k, "s": text, "j": {text: [text]}}), ensure_ascii=is_ascii
        )
        for k, text in enumerate(TEXTS)
    ]
    target.load(stream, *records)

    assert query("SELECT s, j FROM {s}.t ORDER BY k") == [(t, {t: [t]}) for t in TEXTS]


def test_nul_characters_are_removed_and_counted(target, make, query):
    stream = make.schema("t", {"s": "string", "j": "object"})
    result = target.load(
        stream,
        make.record("t", {"s": "a\x00b\x00", "j": {"k\x00": ["\x00", {"d": "x\x00y"}]}}),
        r'{"type":"RECORD","stream":"t","record":{"s":"kept \\u0000 and \\\u0000gone","j":null}}',
    )

    assert query("SELECT s, j FROM {s}.t") == [
        ("ab", {"k": ["", {"d": "xy"}]}),
        ("kept \\u0000 and \\gone", None),
    ]
    assert "6 NUL characters" in result.log


def test_lone_surrogates_become_the_replacement_character(target, make, query):
    stream = make.schema("t", {"s": "string", "j": "object"})
    target.load(
        stream,
        r'{"type":"RECORD","stream":"t",'
        r'"record":{"s":"a\ud800b \udc00 \ud83d\ude00","j":{"x":"\uD83D"}}}',
    )

    assert query("SELECT s, j FROM {s}.t") == [("a\ufffdb \ufffd 😀", {"x": "\ufffd"})]


def test_json_null_is_sql_null_and_nested_values_are_kept_exactly(target, make, query):
    stream = json.dumps(make.schema("t", {"k": "integer", "j": {}}, ["k"]))
    values = ["null", "[]", "{}", '"text"', "1.10", "true", '{"deep":[1e2,null,{"x":0.10}]}']
    target.load(
        stream,
        *[
            f'{{"type":"RECORD","stream":"t","record":{{"k":{k},"j":{v}}}}}'
            for k, v in enumerate(values)
        ],
    )

    assert [row[0] for row in query("SELECT j::text FROM {s}.t ORDER BY k")] == [
        None, "[]", "{}", '"text"', "1.10", "true", '{"deep": [100, null, {"x": 0.10}]}',
    ]  # fmt: skip


def test_more_than_1600_properties_overflow_into_one_column(target, make, query, columns):
    names = [f"p{n}" for n in range(1700)]
    stream = make.schema("wide", {"k": "integer"} | dict.fromkeys(names, "string"), ["k"])
    values = {name: f"v{n}" for n, name in enumerate(names)}
    for key in (1, 2):
        result = target.load(stream, make.record("wide", {"k": key, **values}))

    assert "1600" in result.log
    assert len(columns("wide")) <= 1600
    for (row,) in query("SELECT to_jsonb(w) - 'k' FROM {s}.wide AS w"):
        overflow = row.pop("_scout_overflow")
        assert row | overflow == values


def test_a_row_too_wide_for_a_page_overflows_too(target, make, query):
    names = [f"p{n}" for n in range(1500)]
    stream = make.schema("wide", {"k": "integer"} | dict.fromkeys(names, "integer"), ["k"])
    values = {name: 10**15 + n for n, name in enumerate(names)}
    result = target.load(
        stream, make.record("wide", {"k": 1, "p0": 5}), make.record("wide", {"k": 2, **values})
    )

    assert "_scout_overflow" in result.log
    ((row,),) = query("SELECT to_jsonb(w) - 'k' FROM {s}.wide AS w WHERE k = 2")
    overflow = row.pop("_scout_overflow")
    found = {name: value for name, value in row.items() if value is not None} | overflow
    assert found == values
    assert query("SELECT p0 FROM {s}.wide WHERE k = 1") == [(5,)]


def test_a_stream_without_properties_keeps_its_records_whole(target, make, query):
    target.load(make.schema("t", {}), make.record("t", {"a": 1, "b": [2]}))

    assert query("SELECT * FROM {s}.t") == [({"a": 1, "b": [2]},)]


def test_the_key_may_change(target, make, query):
    first = make.schema("t", {"a": "string", "b": "string"}, ["a"])
    target.load(first, make.record("t", {"a": "1", "b": "x"}))
    second = make.schema("t", {"a": "string", "b": "string"}, ["a", "b"])
    target.load(second, make.record("t", {"a": "1", "b": "y"}))
    assert query("SELECT a, b FROM {s}.t ORDER BY b") == [("1", "x"), ("1", "y")]

    target.load(first, make.record("t", {"a": "1", "b": "z"}))
    assert query("SELECT a, b FROM {s}.t") == [("1", "z")]


def test_a_key_of_several_columns_of_any_types(target, make, query):
    properties = {
        "t": "string",
        "n": "number",
        "j": "object",
        "d": {"type": "string", "format": "date-time"},
        "v": "integer",
    }
    stream = json.dumps(make.schema("t", properties, ["t", "n", "j", "d"]))
    same = [
        '{"t":"x","n":1.0,"j":{"a":1,"b":2},"d":"2020-01-01T00:00:00Z","v":1}',
        '{"t":"x","n":1.00,"j":{"b": 2, "a": 1},"d":"2020-01-01T01:00:00+01:00","v":2}',
        '{"t":"x","n":1,"j":{"b":2,"a":1},"d":"2020-01-01","v":3}',
    ]
    target.load(stream, *[f'{{"type":"RECORD","stream":"t","record":{text}}}' for text in same])
    assert query("SELECT v FROM {s}.t") == [(3,)]
    target.load(stream, *[f'{{"type":"RECORD","stream":"t","record":{text}}}' for text in same[:2]])
    assert query("SELECT v FROM {s}.t") == [(2,)]


def test_metadata_columns(target, make, query, columns):
    stream = make.schema("t", {"k": "string"}, ["k"])
    message = make.record("t", {"k": "a"}) | {"time_extracted": "2020-01-01T00:00:00Z"}
    target.load(stream, message, make.record("t", {"k": "b"}), add_record_metadata=True)

    assert columns("t") == {
        "k": "text",
        "_sdc_extracted_at": "timestamp with time zone",
        "_sdc_received_at": "timestamp with time zone",
        "_sdc_batched_at": "timestamp with time zone",
        "_sdc_deleted_at": "timestamp with time zone",
        "_sdc_sequence": "bigint",
        "_sdc_table_version": "bigint",
        "_sdc_sync_started_at": "bigint",
    }
    assert query(
        "SELECT k, _sdc_extracted_at = '2020-01-01Z', now() - _sdc_received_at < '1 minute', "
        "_sdc_deleted_at FROM {s}.t ORDER BY k"
    ) == [("a", True, True, None), ("b", None, True, None)]
