"""Guarantee 2 for rows that wait for their STATE: they are loaded like all others."""

from __future__ import annotations

import datetime as dt
import signal
from decimal import Decimal

import pytest

SMALL = {"batch_size_rows": 1}
SIZES = pytest.mark.parametrize("size", [{}, SMALL], ids=["large batches", "small batches"])
STATES = pytest.mark.parametrize("between", [True, False], ids=["with STATE", "without STATE"])


@pytest.fixture
def without_key(make):
    return make.schema("wells", {"id": "integer", "depth": "number"})


@pytest.fixture
def with_key(make):
    properties = {"id": "integer", "site": {"type": "string"}, "depth": "number"}
    return make.schema("wells", properties, ["id", "site"])


@pytest.fixture
def wells(make):
    def of(*rows, version=None):
        names = ("id", "depth", "site")
        return [make.record("wells", dict(zip(names, row, strict=False)), version) for row in rows]

    return of


@SIZES
@STATES
def test_a_key_that_appears_in_mid_run_keeps_the_rows_of_before(
    target, make, query, wells, without_key, with_key, between, size
):
    states = [make.state({"p": n}) for n in range(3)] if between else []
    result = target.load(
        without_key, *states[:1], *wells((1, 3), (1, 4)), *states[1:2], *wells((3, 5)),
        *states[2:], with_key, *wells((4, 6, "N"), (4, 7, "N")), make.state({"p": 4}), **size,
    )  # fmt: skip

    assert result.states[-1] == {"p": 4}
    assert "do not allow the stream's key" in result.log
    expected = [(1, 3, None), (1, 4, None), (3, 5, None), (4, 7, "N")]
    assert query("SELECT id, depth, site FROM {s}.wells ORDER BY id, depth") == expected
    assert query("SELECT rows FROM {s}._scout_loads") == [(5,)]


@SIZES
def test_a_key_that_the_rows_of_before_allow_merges_them_with_the_last_ones(
    target, make, query, wells, without_key, size
):
    keyed = make.schema("wells", {"id": "integer", "depth": "number"}, ["id"])
    target.load(
        without_key, *wells((1, 3), (2, 4)), keyed, *wells((2, 5), (3, 6)), without_key,
        *wells((7, 7), (7, 8)), make.state(1), keyed, *wells((7, 9), (1, 1)), make.state(2), **size,
    )  # fmt: skip

    found = query("SELECT id, depth FROM {s}.wells ORDER BY 1, 2")
    assert found == [(1, 1), (2, 5), (3, 6), (7, 9)]


@SIZES
@pytest.mark.parametrize("way", ["version", "overwrite"])
def test_a_key_that_appears_while_a_table_is_replaced_keeps_the_rows_of_before(
    target, make, query, wells, without_key, with_key, way, size
):
    target.load(without_key, *wells((9, 9)))
    version = 5 if way == "version" else None
    end = [make.activate("wells", 5)] if version else []
    target.load(
        without_key, *wells((1, 3), (2, 4), version=version), make.state(1),
        *wells((3, 5), version=version), with_key, *wells((4, 6, "N"), version=version),
        *end, make.state(2), load_method="upsert" if version else "overwrite", **size,
    )  # fmt: skip

    found = query("SELECT id, depth, site FROM {s}.wells ORDER BY id")
    assert found == [(1, 3, None), (2, 4, None), (3, 5, None), (4, 6, "N")]


WIDENINGS = {
    "integer to number": ({"type": "integer"}, 1, {"type": "number"}, 2.5, ["1", "2.5"]),
    "integer of more than 64 bits": (
        {"type": "integer"}, 1, {"type": "integer"}, 2**70, ["1", str(2**70)],
    ),
    "uuid to text": (
        {"type": "string", "format": "uuid"}, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        {"type": "string"}, "16 bytes long ok",
        ["16 bytes long ok", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    ),
    "date to date-time": (
        {"type": "string", "format": "date"}, "2026-01-05",
        {"type": "string", "format": "date-time"}, "2026-01-06T10:00:00Z",
        ["2026-01-05 00:00:00+00", "2026-01-06 10:00:00+00"],
    ),
    "text to integer": ({"type": "string"}, "a", {"type": "integer"}, 5, ["5", "a"]),
}  # fmt: skip
METHODS = ["upsert", "append-only", "overwrite", "version"]


@SIZES
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", WIDENINGS)
def test_a_column_that_widens_between_two_batches_of_a_checkpoint(
    target, make, query, name, method, size
):
    was, first, now, second, expected = WIDENINGS[name]
    version = 3 if method == "version" else None
    end = [make.activate("h", 3)] if version else []
    result = target.load(
        make.schema("h", {"n": "integer", "v": was}),
        make.record("h", {"n": 1, "v": first}, version),
        make.schema("h", {"n": "integer", "v": now}),
        make.record("h", {"n": 2, "v": second}, version),
        *end,
        make.state({"a": 1}),
        load_method="upsert" if version else method,
        **size,
    )

    assert result.states == [{"a": 1}]
    query("SET timezone = 'UTC'")
    values = "coalesce(to_jsonb(h) ->> 'v__bigint', h.v::text)"
    assert [row[0] for row in query(f"SELECT {values} FROM {{s}}.h ORDER BY 1")] == expected


@SIZES
@pytest.mark.parametrize("is_versioned", [True, False])
def test_rows_without_key_too_wide_for_a_page_overflow_too(target, make, query, is_versioned, size):
    names = [f"p{n}" for n in range(1500)]
    stream = make.schema("wide", dict.fromkeys(names, "integer"))
    values = {name: 10**15 + n for n, name in enumerate(names)}
    version = 1 if is_versioned else None
    target.load(
        stream, make.record("wide", {"p0": 5}, version), make.record("wide", values, version),
        *([make.activate("wide", 1)] if version else []), make.state(1), **size,
    )  # fmt: skip

    rows = [row for (row,) in query("SELECT to_jsonb(w) FROM {s}.wide AS w ORDER BY p0")]
    overflow = rows[1].pop("_scout_overflow")
    assert {
        name: value for name, value in rows[1].items() if value is not None
    } | overflow == values
    assert rows[0]["p0"] == 5


def test_values_that_overflow_keep_their_nulls_inside_and_may_be_called_as_our_aliases(
    target, make, query
):
    names = ["t", "n", "rows", "_scout_row", "_scout_new", *[f"p{n}" for n in range(1500)]]
    stream = make.schema("wide", {"key": "integer"} | dict.fromkeys(names, "object"), ["key"])
    values = {name: {"a": None, "b": [None]} for name in names}
    target.load(stream, make.record("wide", {"key": 1, **values}))

    ((row,),) = query("SELECT to_jsonb(w) - 'key' FROM {s}.wide AS w")
    overflow = row.pop("_scout_overflow")
    found = {name: value for name, value in row.items() if value is not None} | overflow
    assert len(found) == len(names)
    assert all(value == {"a": None, "b": [None]} for value in found.values())


def test_more_than_a_batch_between_two_states_comes_once_and_survives_a_kill(
    target, make, query, eventually
):
    stream = make.schema("log", {"n": "integer", "pad": "string"})

    def log(first, end):
        return [make.record("log", {"n": n, "pad": "x" * 2000}) for n in range(first, end)]

    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(stream, *log(0, 3000), make.state({"n": 3000}), *log(3000, 8000))
    assert running.next_state() == {"n": 3000}
    held = (
        "SELECT relname FROM pg_class WHERE relname LIKE '\\_scout\\_held\\_%%' "
        "AND relnamespace = %s::regnamespace"
    )
    eventually(lambda: query(held, target.schema) != [])
    assert query("SELECT count(*) FROM {s}.log") == [(3000,)]
    running.signal(signal.SIGKILL)
    running.end()

    wider = make.schema("log", {"n": "number", "pad": "string"})
    target.load(stream, *log(3000, 6000), wider, *log(6000, 8000), make.state({"n": 8000}))
    assert query("SELECT count(*), count(DISTINCT n), max(n) FROM {s}.log") == [(8000, 8000, 7999)]
    assert query(held, target.schema) == []


def test_rows_behind_withheld_ones_stay_behind_them(target, make, query, wells, without_key):
    """The keyed rows come last, so that their values win; SIGTERM leaves all of them withheld."""
    keyed = make.schema("wells", {"id": "integer", "depth": "number"}, ["id"])
    running = target.start(batch_size_rows=1, batch_wait_limit_seconds=0.1)
    running.send(without_key, make.state(0))
    assert running.next_state() == 0
    running.send(*wells((1, 1), (2, 2)), keyed, *wells((1, 5), (3, 3)))
    running.send(*wells((3, 4)), make.state(1))
    assert running.next_state() == 1
    found = query("SELECT id, depth FROM {s}.wells ORDER BY id")
    assert found == [(1, 5), (2, 2), (3, 4)]
    running.send(without_key, *wells((8, 8)), keyed, *wells((9, 9)))
    running.signal(signal.SIGTERM)
    assert running.end().code == 143
    assert query("SELECT count(*) FROM {s}.wells WHERE id IN (8)") == [(0,)]


@SIZES
def test_a_table_with_generated_and_default_columns_takes_withheld_rows(
    target, make, query, wells, without_key, size
):
    target.load(without_key)
    query(
        "ALTER TABLE {s}.wells ADD COLUMN twice numeric GENERATED ALWAYS AS (depth * 2) STORED, "
        "ADD COLUMN note text NOT NULL DEFAULT 'new', ADD COLUMN number bigint "
        "GENERATED ALWAYS AS IDENTITY"
    )
    target.load(without_key, *wells((1, 3), (2, 4)), make.state(1), **size)

    found = query("SELECT id, twice, note, number FROM {s}.wells ORDER BY id")
    assert found == [(1, Decimal(6), "new", 1), (2, Decimal(8), "new", 2)]


def test_append_only_keeps_each_record_once_with_small_batches_and_few_states(target, make, query):
    stream = make.schema("t", {"k": "string", "at": {"type": "string", "format": "date"}}, ["k"])
    rows = [make.record("t", {"k": "a", "at": "2026-01-05"})] * 3
    target.load(stream, *rows, make.state(1), *rows, load_method="append-only", **SMALL)

    assert query("SELECT DISTINCT k, at FROM {s}.t") == [("a", dt.date(2026, 1, 5))]
    assert query("SELECT count(*) FROM {s}.t") == [(6,)]
