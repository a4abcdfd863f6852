"""Conventions of other taps, and streams with neither key nor bookmark."""

from __future__ import annotations

import signal

import pytest

REPLACE = {"keyless_streams": "replace"}
SIZES = pytest.mark.parametrize("size", [1, 100_000])


@pytest.fixture
def users(make):
    return make.schema("users", {"id": "integer", "name": "string"}, ["id"])


@pytest.fixture
def ids(query):
    return lambda: [row[0] for row in query("SELECT id FROM {s}.users ORDER BY id")]


def test_an_activation_before_its_schema_is_left_out_with_a_warning(target, make, users, ids):
    other = make.schema("others", {"id": "integer"}, ["id"])
    result = target.load(
        make.activate("users", 3), other, make.record("others", {"id": 1}), make.state({"a": 1}),
        users, make.record("users", {"id": 1}, 4), make.activate("users", 4), make.state({"b": 1}),
    )  # fmt: skip

    assert ids() == [1]
    assert "WARNING" in result.log
    assert "precedes its SCHEMA" in result.log
    assert result.states[-1] == {"b": 1}


@SIZES
@pytest.mark.parametrize("key", [["id"], []])
def test_a_log_based_stream_shows_without_an_activation(target, make, query, ids, key, size):
    stream = make.schema("users", {"id": "integer"}, key)
    for n in (1, 2):
        record = make.record("users", {"id": n}, 77)
        target.load(stream, record, make.state({"l": n}), batch_size_rows=size)
        assert ids() == list(range(1, n + 1))

    result = target.load(stream, make.record("users", {"id": 3}, 99), make.state({"l": 3}))
    assert ids() == [1, 2]
    assert "no ACTIVATE_VERSION" in result.log
    target.load(stream, make.activate("users", 99), make.state({"l": 4}))
    assert ids() == [3]


@pytest.mark.parametrize("version_on_records", [5, None])
@pytest.mark.parametrize("key", [["id"], []])
def test_a_first_version_shows_though_no_state_follows_its_records(
    target, make, ids, key, version_on_records
):
    stream = make.schema("users", {"id": "integer"}, key)
    records = [make.record("users", {"id": n}, version_on_records) for n in (1, 2)]
    result = target.load(
        stream, make.state({"l": 0}), make.activate("users", 5), *records, batch_size_rows=1
    )
    assert ids() == [1, 2]
    assert "WARNING" in result.log
    assert "cut off" in result.log

    later = make.record("users", {"id": 3}, version_on_records)
    target.load(stream, make.activate("users", 5), later, make.state({"l": 1}))
    assert ids() == [1, 2, 3]


def test_a_first_version_does_not_take_the_place_of_rows_without_version(target, make, users, ids):
    target.load(users, make.record("users", {"id": 1}))
    target.load(users, make.record("users", {"id": 2}, 5), make.state(1))
    assert ids() == [1]


@pytest.mark.parametrize("announcements", [[], [5]])
@pytest.mark.parametrize("key", [["id"], []])
def test_a_first_version_is_shown_by_no_signal_but_by_the_next_clean_end(
    target, make, query, ids, key, announcements
):
    stream = make.schema("users", {"id": "integer"}, key)
    announced = [make.activate("users", version) for version in announcements]
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(stream, *announced, make.record("users", {"id": 1}, 5), make.state(1))
    running.next_state()
    running.signal(signal.SIGTERM)
    running.end()
    assert query("SELECT to_regclass(%s)", f"{target.schema}.users") == [(None,)]

    target.load(stream, make.state(2))
    assert ids() == [1]
    target.load(stream, *announced, make.record("users", {"id": 2}, 5), make.state(3))
    assert ids() == [1, 2]


DELETED = {"_sdc_deleted_at": {"type": ["null", "string"], "format": "date-time"}}
AT = "2026-05-05T00:00:00Z"


@SIZES
@pytest.mark.parametrize("version", [None, 3])
@pytest.mark.parametrize("mark", [DELETED, {"_sdc_deleted_at": {"type": "string"}}, {}])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_record_that_its_source_says_is_deleted_removes_its_row(
    target, make, ids, mark, version, is_there, size
):
    stream = make.schema("users", {"id": "integer", "name": "string", **mark}, ["id"])

    def user(n, **more):
        return make.record("users", {"id": n, **more}, version)

    gone = {"_sdc_deleted_at": AT}
    if is_there:
        target.load(stream, *[user(n, name="a") for n in (1, 2, 3, 4)], make.state(0))
    target.load(
        stream, *[user(n, name="b") for n in (1, 2, 3)], user(2, **gone), make.state(1),
        user(3, **gone), user(3, name="back"), user(9, **gone), user(1, _sdc_deleted_at=None),
        *([make.activate("users", 3)] if version else []), make.state(2), batch_size_rows=size,
    )  # fmt: skip

    assert ids() == ([1, 3, 4] if is_there else [1, 3])


@SIZES
@pytest.mark.parametrize("mark", [DELETED, {}])
def test_a_record_that_its_source_says_is_deleted_is_marked_without_hard_delete(
    target, make, query, mark, size
):
    stream = make.schema("users", {"id": "integer", "name": "string", **mark}, ["id"])
    rows = [make.record("users", {"id": n, "name": "a"}) for n in (1, 2)]
    gone = make.record("users", {"id": 2, "_sdc_deleted_at": AT})
    soft = {"hard_delete": False, "batch_size_rows": size}
    target.load(stream, *rows, gone, make.state(1), **soft)
    found = "SELECT id FROM {s}.users WHERE _sdc_deleted_at IS NOT NULL"
    assert query(found) == [(2,)]
    target.load(stream, rows[1], make.state(2), **soft)
    assert query(found) == []


@SIZES
def test_a_keyless_stream_is_appended_or_replaced_and_the_log_says_which(target, make, query, size):
    stream = make.schema("view", {"n": "integer"})
    marked = stream | {"stream": "events", "bookmark_properties": ["n"]}

    def rows(name, *numbers):
        return [make.record(name, {"n": n}) for n in numbers]

    for run in range(3):
        result = target.load(
            stream, *rows("view", run, run, 5), make.state(1), marked, *rows("events", run),
            make.state(2), batch_size_rows=size, **REPLACE,
        )  # fmt: skip
        assert result.states[-1] == 2
        assert "view: replaced the table with 3 records" in result.log
        assert "events: appended 1 record," in result.log
        assert query("SELECT n FROM {s}.view ORDER BY n") == sorted([(run,), (run,), (5,)])
    assert query("SELECT n FROM {s}.events ORDER BY n") == [(0,), (1,), (2,)]

    result = target.load(
        stream, *rows("view", 8), make.state(3), batch_size_rows=size,
        keyless_overrides={"view": "append"}, **REPLACE,
    )  # fmt: skip
    assert "view: appended 1 record," in result.log
    assert "keyless_streams is append" in result.log
    assert query("SELECT count(*) FROM {s}.view") == [(4,)]


def test_a_keyless_stream_is_replaced_only_by_a_clean_end(target, make, query, eventually):
    stream = make.schema("view", {"n": "integer"})
    target.load(stream, make.record("view", {"n": 1}), make.state(1), **REPLACE)
    for number in (signal.SIGTERM, signal.SIGKILL):
        running = target.start(batch_wait_limit_seconds=0.1, batch_size_rows=1, **REPLACE)
        running.send(stream, *[make.record("view", {"n": n}) for n in range(5)], make.state(2))
        running.next_state()
        running.signal(number)
        running.end()
        assert query("SELECT n FROM {s}.view") == [(1,)]
    cut = target.load(make.state(0), stream, make.record("view", {"n": 6}), **REPLACE)
    assert "cut off" in cut.log
    assert query("SELECT n FROM {s}.view") == [(1,)]

    target.load(stream, make.record("view", {"n": 7}), make.state(3), **REPLACE)
    assert query("SELECT n FROM {s}.view") == [(7,)]
    target.load(stream, make.state(4), **REPLACE)
    assert query("SELECT n FROM {s}.view") == []


@pytest.mark.parametrize("order", ["before", "behind", "without records"])
def test_versions_of_a_keyless_stream_hold_where_streams_are_replaced(target, make, query, order):
    stream = make.schema("view", {"n": "integer"})
    for version in (1, 2):
        rows = [make.record("view", {"n": version}, version if order == "behind" else None)]
        activate = [make.activate("view", version)]
        parts = {"before": activate + rows, "behind": rows + activate, "without records": rows}
        target.load(stream, *parts[order], make.state(version), **REPLACE)
        assert query("SELECT n FROM {s}.view") == [(version,)]


@pytest.mark.parametrize("goes_on", [True, False])
def test_an_unfinished_version_of_a_keyless_stream_continues_where_streams_are_replaced(
    target, make, query, goes_on
):
    stream = make.schema("view", {"n": "integer"})
    target.load(stream, make.record("view", {"n": 1}, 4), make.activate("view", 4), **REPLACE)
    for n in (2, 3):
        running = target.start(batch_wait_limit_seconds=0.1, **REPLACE)
        running.send(stream, make.record("view", {"n": n}, 5), make.state(n))
        running.next_state()
        running.signal(signal.SIGKILL)
        running.end()
        assert query("SELECT n FROM {s}.view") == [(1,)]

    rest = make.record("view", {"n": 9}, 5 if goes_on else None)
    target.load(
        stream, stream | {"more": 1}, rest, make.activate("view", 5), make.state(4), **REPLACE
    )
    found = query("SELECT n FROM {s}.view ORDER BY n")
    assert found == ([(2,), (3,), (9,)] if goes_on else [(9,)])


def test_a_key_or_bookmark_that_a_second_schema_tells_is_believed(target, make, query):
    stream = make.schema("view", {"n": "integer"})
    for n in (1, 2):
        marked = stream | {"bookmark_properties": ["n"]}
        target.load(stream, marked, make.record("view", {"n": n}), make.state(n), **REPLACE)
    assert query("SELECT n FROM {s}.view ORDER BY n") == [(1,), (2,)]


def test_an_activation_after_records_without_version_loses_none_of_them(target, make, query):
    stream = make.schema("view", {"n": "integer"})
    rows = [make.record("view", {"n": n}) for n in (1, 2)]
    target.load(stream, *rows, make.activate("view", 5), make.state(1), **REPLACE)
    assert query("SELECT n FROM {s}.view ORDER BY n") == [(1,), (2,)]


def test_a_keyed_stream_and_other_methods_are_as_before_where_keyless_ones_are_replaced(
    target, make, users, ids, query
):
    for n in (1, 2):
        target.load(users, make.record("users", {"id": n}), make.state(n), **REPLACE)
    assert ids() == [1, 2]
    log = make.schema("log", {"n": "integer"})
    for n in (1, 2):
        target.load(log, make.record("log", {"n": n}), load_method="append-only", **REPLACE)
    assert query("SELECT n FROM {s}.log ORDER BY n") == [(1,), (2,)]
