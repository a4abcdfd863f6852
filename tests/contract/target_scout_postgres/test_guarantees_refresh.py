"""Guarantee 3: a full refresh is atomic, resumable, and changes nothing around the table."""

from __future__ import annotations

import signal
import time

import psycopg2
import pytest


@pytest.fixture
def users(make):
    return make.schema("users", {"id": "string", "name": "string"}, ["id"])


@pytest.fixture
def rows(make):
    def of(version, *pairs):
        return [make.record("users", {"id": i, "name": n}, version) for i, n in pairs]

    return of


@pytest.fixture
def names(query):
    return lambda: query("SELECT id, name FROM {s}.users ORDER BY id")


def test_a_version_replaces_the_table_when_it_is_activated(target, make, users, rows, names):
    target.load(users, *rows(1, ("a", "x"), ("b", "x")), make.activate("users", 1))
    assert names() == [("a", "x"), ("b", "x")]

    target.load(users, *rows(2, ("b", "y"), ("c", "y")), make.activate("users", 2))
    assert names() == [("b", "y"), ("c", "y")]


def test_the_end_of_the_input_alone_activates_nothing(target, make, users, rows, names):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))
    target.load(users, *rows(2, ("b", "y")), make.state({"v": 2}))

    assert names() == [("a", "x")]


def test_readers_see_the_whole_old_table_until_the_activation(
    target, make, users, rows, names, eventually
):
    target.load(users, *rows(1, ("a", "x"), ("b", "x")), make.activate("users", 1))
    running = target.start(batch_wait_limit_seconds=0.1, batch_size_rows=1)
    running.send(users, *rows(2, ("b", "y"), ("c", "y")), make.state({"n": 1}))
    running.next_state()
    assert names() == [("a", "x"), ("b", "x")]
    running.send(*rows(2, ("d", "y")), make.activate("users", 2), make.state({"n": 2}))
    running.next_state()
    assert names() == [("b", "y"), ("c", "y"), ("d", "y")]
    assert running.end().code == 0


def test_an_interrupted_refresh_continues_when_its_version_is_resumed(
    target, make, users, rows, names
):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(users, *rows(2, ("b", "y"), ("c", "y")), make.state({"page": 1}))
    running.next_state()
    running.signal(signal.SIGKILL)
    running.end()
    assert names() == [("a", "x")]

    target.load(users, *rows(2, ("c", "z"), ("d", "z")), make.activate("users", 2))
    assert names() == [("b", "y"), ("c", "z"), ("d", "z")]


@pytest.mark.parametrize("key", [["id"], []])
def test_a_refresh_resumed_after_its_last_record_is_activated_before_its_state(
    target, make, query, key
):
    begin = make.schema("users", {"id": "string"}, key)
    target.load(begin, make.record("users", {"id": "a"}, 1), make.activate("users", 1))
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(begin, make.record("users", {"id": "b"}, 2), make.state({"page": "last"}))
    running.next_state()
    running.signal(signal.SIGKILL)
    running.end()

    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(begin, make.activate("users", 2), make.state({"next": "stream"}))
    assert running.next_state() == {"next": "stream"}
    assert query("SELECT id FROM {s}.users") == [("b",)]
    running.end()


def test_a_newer_version_forgets_an_unfinished_one(target, make, users, rows, names):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))
    target.load(users, *rows(2, ("b", "y")), make.state({"v": 2}))
    target.load(users, *rows(3, ("c", "z")), make.activate("users", 3))

    assert names() == [("c", "z")]


def test_records_of_an_older_version_are_dropped(target, make, users, rows, names):
    target.load(users, *rows(4, ("a", "w")), make.activate("users", 4))
    target.load(users, *rows(5, ("a", "x")), make.activate("users", 5))
    result = target.load(
        users, *rows(4, ("old", "o")), *rows(7, ("b", "y")), *rows(6, ("late", "l")),
        *rows(7, ("c", "y")), make.activate("users", 7),
    )  # fmt: skip

    assert names() == [("b", "y"), ("c", "y")]
    assert "2 records of older versions" in result.log
    target.load(users, *rows(4, ("old", "o")), make.activate("users", 4))
    assert names() == [("b", "y"), ("c", "y")]


def test_a_lower_version_that_was_never_seen_is_a_new_one_and_is_logged(
    target, make, users, rows, names
):
    target.load(users, *rows(1700000000000, ("a", "x")), make.activate("users", 1700000000000))
    result = target.load(users, *rows(3, ("b", "y")), make.activate("users", 3), make.state(1))
    assert "lower" in result.log
    assert names() == [("b", "y")]

    target.load(users, make.activate("users", 2), *rows(2, ("c", "z")), make.state(2))
    assert names() == [("c", "z")]
    target.load(users, *rows(4, ("d", "z")), make.activate("users", 4))
    assert names() == [("d", "z")]


def test_activating_a_version_without_records_empties_the_table(target, make, users, rows, names):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))
    target.load(users, make.activate("users", 2), make.state({"v": 2}))

    assert names() == []


@pytest.mark.parametrize("version_on_records", [2, None])
def test_a_version_announced_first_is_activated_at_the_clean_end(
    target, make, users, rows, names, version_on_records
):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(
        users,
        make.activate("users", 2),
        *rows(version_on_records, ("b", "y")),
        make.state({"n": 1}),
    )
    running.next_state()
    assert names() == [("a", "x")]
    running.send(*rows(version_on_records, ("c", "y")), make.state({"n": 2}))

    assert running.end().code == 0
    assert names() == [("b", "y"), ("c", "y")]


def test_a_version_announced_first_is_activated_by_a_second_announcement(
    target, make, users, rows, names
):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(users, make.activate("users", 2), *rows(2, ("b", "y")))
    running.send(make.activate("users", 2), make.state({"n": 1}))
    running.next_state()

    assert names() == [("b", "y")]
    assert running.end().code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_version_announced_first_is_not_activated_by_a_signal(
    target, make, users, rows, names, number
):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(users, make.activate("users", 2), *rows(2, ("b", "y")), make.state({"n": 1}))
    running.next_state()
    running.signal(number)
    running.end()

    assert names() == [("a", "x")]


def test_a_tap_cut_off_after_its_announcement_replaces_nothing(target, make, users, rows, names):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))
    result = target.load(
        users, make.activate("users", 2), *rows(2, ("b", "y")), make.state({"n": 1}),
        *rows(2, ("c", "y")),
    )  # fmt: skip

    assert names() == [("a", "x")]
    assert "cut off" in result.log


def test_incremental_records_of_the_active_version_are_merged(target, make, users, rows, names):
    target.load(users, *rows(1, ("a", "x"), ("b", "x")), make.activate("users", 1))
    target.load(users, make.activate("users", 1), *rows(1, ("b", "y")), make.state({"n": 2}))

    assert names() == [("a", "x"), ("b", "y")]


def test_records_without_version_never_lose_rows_to_an_activation(target, make, users, rows, names):
    result = target.load(users, *rows(None, ("a", "x")), make.activate("users", 9))

    assert names() == [("a", "x")]
    assert "no version" in result.log


def test_a_soft_delete_marks_rows_and_takes_the_mark_off_again(target, make, users, rows, query):
    ask = "SELECT id, name, _sdc_deleted_at IS NOT NULL FROM {s}.users ORDER BY id"
    soft = {"hard_delete": False}
    target.load(users, *rows(1, ("a", "x"), ("b", "x")), make.activate("users", 1), **soft)
    target.load(users, *rows(2, ("b", "y"), ("c", "y")), make.activate("users", 2), **soft)
    assert query(ask) == [("a", "x", True), ("b", "y", False), ("c", "y", False)]

    target.load(users, *rows(3, ("a", "x")), make.activate("users", 3), **soft)
    assert query(ask) == [("a", "x", False), ("b", "y", True), ("c", "y", True)]


def test_a_stream_without_key_is_replaced_as_a_whole(target, make, query):
    stream = make.schema("log", {"n": "integer"})

    def log(version, *numbers):
        return [make.record("log", {"n": n}, version) for n in numbers]

    target.load(stream, *log(1, 1, 1, 2), make.activate("log", 1), make.state({"v": 1}))
    assert query("SELECT n FROM {s}.log ORDER BY n") == [(1,), (1,), (2,)]
    target.load(stream, *log(2, 2, 3, 3), make.activate("log", 2), batch_size_rows=1)
    assert query("SELECT n FROM {s}.log ORDER BY n") == [(2,), (3,), (3,)]


def test_a_resumed_refresh_without_key_has_each_record_once(target, make, query):
    stream = make.schema("log", {"n": "integer"})

    def log(*numbers):
        return [make.record("log", {"n": n}, 2) for n in numbers]

    running = target.start(batch_wait_limit_seconds=0.1, batch_size_rows=2)
    running.send(stream, *log(1, 2, 3), make.state({"at": 3}), *log(4, 5, 6, 7))
    running.next_state()
    time.sleep(0.5)
    running.signal(signal.SIGKILL)
    running.end()
    target.load(stream, *log(4, 5, 6, 7, 8), make.activate("log", 2), make.state({"at": 8}))

    assert query("SELECT n FROM {s}.log ORDER BY n") == [(n,) for n in range(1, 9)]


def test_views_grants_comments_and_indexes_survive(target, make, users, rows, query, connection):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))
    role = f"{target.schema}_someone"
    query(f"CREATE ROLE {role}")
    query("CREATE VIEW {s}.seen AS SELECT name FROM {s}.users")
    query("COMMENT ON TABLE {s}.users IS 'people who log in'")
    query("COMMENT ON COLUMN {s}.users.name IS 'as they write it'")
    query("CREATE INDEX by_name ON {s}.users (name)")
    query(f"GRANT SELECT ON {{s}}.users TO {role}")
    before = query("SELECT '{s}.users'::regclass::oid")
    try:
        target.load(users, *rows(2, ("b", "y")), make.activate("users", 2))

        assert query("SELECT name FROM {s}.seen") == [("y",)]
        assert query("SELECT obj_description('{s}.users'::regclass)") == [("people who log in",)]
        assert query("SELECT col_description('{s}.users'::regclass, 2)") == [("as they write it",)]
        assert query("SELECT has_table_privilege(%s, '{s}.users', 'SELECT')", role) == [(True,)]
        assert query("SELECT '{s}.by_name'::regclass::text IS NOT NULL") == [(True,)]
        assert query("SELECT '{s}.users'::regclass::oid") == before
    finally:
        query(f"DROP OWNED BY {role}")
        query(f"DROP ROLE {role}")


def test_a_snapshot_older_than_the_refresh_still_finds_the_whole_old_table(
    target, make, users, rows, names, postgres
):
    target.load(users, *rows(1, ("a", "x"), ("b", "x")), make.activate("users", 1))
    reader = psycopg2.connect(postgres)
    reader.set_session(isolation_level="REPEATABLE READ")
    with reader.cursor() as cursor:
        cursor.execute("SELECT 1")
        target.load(users, *rows(2, ("c", "y")), make.activate("users", 2))
        cursor.execute(f"SELECT id FROM {target.schema}.users ORDER BY id")
        assert cursor.fetchall() == [("a",), ("b",)]
    reader.close()
    assert names() == [("c", "y")]


def test_an_unchanged_row_is_not_written_again(target, make, users, rows, query):
    target.load(users, *rows(1, ("a", "x"), ("b", "x")), make.activate("users", 1))
    before = dict(query("SELECT id, ctid::text FROM {s}.users"))
    target.load(users, *rows(2, ("a", "x"), ("b", "y")), make.activate("users", 2))
    after = dict(query("SELECT id, ctid::text FROM {s}.users"))

    assert after["a"] == before["a"]
    assert after["b"] != before["b"]


def test_no_stage_is_left_after_an_activation(target, make, users, rows, query):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))

    assert query(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r' "
        "ORDER BY 1",
        target.schema,
    ) == [("_scout_loads",), ("_scout_lock",), ("_scout_streams",), ("users",)]


def test_a_new_column_in_a_resumed_refresh_reaches_the_table(target, make, users, rows, query):
    target.load(users, *rows(1, ("a", "x")), make.activate("users", 1))
    target.load(users, *rows(2, ("b", "y")), make.state({"n": 1}))
    wider = make.schema("users", {"id": "string", "name": "string", "age": "integer"}, ["id"])
    more = make.record("users", {"id": "c", "name": "z", "age": 2**70}, 2)
    target.load(wider, more, make.activate("users", 2))

    assert query("SELECT id, name, age FROM {s}.users ORDER BY id") == [
        ("b", "y", None),
        ("c", "z", 2**70),
    ]


@pytest.mark.parametrize("key", [["id"], []])
def test_a_reader_never_sees_a_mixed_or_empty_table_and_never_waits(target, make, query, key):
    """Through many refreshes, by a view, a prepared statement and a separate grant."""
    stream = make.schema("t", {"id": "integer", "version": "integer"}, key)

    def version(number, size=300):
        rows = [make.record("t", {"id": n, "version": number}, number) for n in range(size)]
        return [*rows, make.activate("t", number), make.state({"v": number})]

    target.load(stream, *version(1))
    query("CREATE VIEW {s}.seen AS SELECT id, version FROM {s}.t")
    reader = psycopg2.connect(target.url)
    reader.autocommit = True
    running = target.start(batch_wait_limit_seconds=0.05, batch_size_rows=50)
    running.send(stream)
    answers = set()
    with reader.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")  # to wait for a lock any longer is an error
        cursor.execute(
            f"PREPARE look AS SELECT count(*), min(version), max(version) FROM {target.schema}.seen"
        )
        for number in range(2, 22):
            running.send(*version(number))
            while True:
                cursor.execute("EXECUTE look")
                count, least, most = cursor.fetchone()
                assert (count, least) == (300, most)
                answers.add(most)
                if most == number:
                    break
    reader.close()

    assert running.end().code == 0
    assert len(answers) >= 20
