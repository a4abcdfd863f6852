"""Guarantees 1, 2 and 10: state after commit, the last record wins, the load log."""

from __future__ import annotations

import contextlib
import signal
import time

import psycopg2
import pytest


@pytest.fixture
def pair(make):
    """A stream with a key, and its records."""
    return make.schema("people", {"id": "string", "name": "string", "age": "integer"}, ["id"])


def people(make, *rows):
    return [
        make.record("people", dict(zip(("id", "name", "age"), row, strict=False))) for row in rows
    ]


def test_records_arrive_and_the_last_state_is_printed(target, make, pair, query):
    result = target.load(pair, *people(make, ("a", "Ana", 3)), make.state({"at": 1}))

    assert query("SELECT * FROM {s}.people") == [("a", "Ana", 3)]
    assert result.states == [{"at": 1}]


def test_the_last_record_of_a_key_wins_within_a_batch_and_across_runs(target, make, pair, query):
    target.load(pair, *people(make, ("a", "old", 1), ("b", "kept", 2), ("a", "new", 3)))
    assert query("SELECT * FROM {s}.people ORDER BY id") == [("a", "new", 3), ("b", "kept", 2)]

    target.load(pair, *people(make, ("b", "newer", 4), ("c", "added", 5)))
    assert query("SELECT * FROM {s}.people ORDER BY id") == [
        ("a", "new", 3),
        ("b", "newer", 4),
        ("c", "added", 5),
    ]


def test_the_last_record_wins_across_batches_of_one_run(target, make, pair, query):
    rows = [(f"k{n % 7}", f"name {n}", n) for n in range(100)]

    target.load(pair, *people(make, *rows), batch_size_rows=3)

    assert query("SELECT count(*), min(age) FROM {s}.people") == [(7, 93)]


def test_columns_that_are_null_or_missing_now_become_null(target, make, pair, query):
    target.load(pair, *people(make, ("a", "Ana", 3), ("b", "Ben", 4)))

    target.load(pair, *people(make, ("a", None, 3), ("b",)))

    assert query("SELECT * FROM {s}.people ORDER BY id") == [("a", None, 3), ("b", None, None)]


def test_a_stream_without_key_gets_each_record_once_per_run(target, make, query):
    stream = make.schema("log", {"text": "string"})
    rows = [make.record("log", {"text": "same"})] * 5

    target.load(stream, *rows, make.state({"n": 1}), *rows, make.state({"n": 2}), batch_size_rows=2)
    assert query("SELECT count(*) FROM {s}.log") == [(10,)]

    target.load(stream, *rows)
    assert query("SELECT count(*) FROM {s}.log") == [(15,)]


def test_rows_without_key_show_only_with_the_state_that_covers_them(
    target, make, query, eventually
):
    stream = make.schema("log", {"n": "integer"})
    running = target.start(batch_size_rows=2, batch_wait_limit_seconds=0.2)
    running.send(stream, *[make.record("log", {"n": n}) for n in range(5)], make.state({"n": 5}))
    running.send(*[make.record("log", {"n": n}) for n in range(5, 12)])
    assert running.next_state() == {"n": 5}
    eventually(lambda: query("SELECT count(*) FROM {s}.log") == [(5,)])
    time.sleep(0.6)
    assert query("SELECT count(*) FROM {s}.log") == [(5,)]

    running.signal(signal.SIGKILL)
    running.end()
    target.load(
        stream, *[make.record("log", {"n": n}) for n in range(5, 12)], make.state({"n": 12})
    )

    assert query("SELECT count(*), count(DISTINCT n) FROM {s}.log") == [(12, 12)]


def test_sigterm_keeps_uncovered_rows_without_key_back(target, make, query):
    stream = make.schema("log", {"n": "integer"})
    running = target.start(batch_size_rows=2, batch_wait_limit_seconds=0.1)
    running.send(stream, make.record("log", {"n": 1}), make.state({"n": 1}))
    assert running.next_state() == {"n": 1}
    running.send(*[make.record("log", {"n": n}) for n in range(2, 9)])
    time.sleep(0.5)
    running.signal(signal.SIGTERM)
    result = running.end()

    assert (result.code, result.states) == (143, [])
    assert query("SELECT n FROM {s}.log") == [(1,)]
    assert (
        query(
            "SELECT relname FROM pg_class WHERE relname LIKE '%%held%%' "
            "AND relnamespace = %s::regnamespace",
            target.schema,
        )
        == []
    )


def test_a_printed_state_means_that_all_records_before_it_are_committed(target, make, pair, query):
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(pair)
    for number in range(1, 6):
        running.send(*people(make, (f"k{number}", "x", number)), make.state({"n": number}))
        assert running.next_state() == {"n": number}
        assert query("SELECT count(*) FROM {s}.people") == [(number,)]
    assert running.end().code == 0


def test_no_state_is_printed_before_its_commit(target, make, pair, postgres, dataset_schema):
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(pair, *people(make, ("a", "x", 1)), make.state({"n": 1}))
    assert running.next_state() == {"n": 1}
    with contextlib.closing(psycopg2.connect(postgres)) as other, other.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {dataset_schema}._scout_loads")  # a commit has to wait for it
        running.send(*people(make, ("b", "y", 2)), make.state({"n": 2}))
        with pytest.raises(AssertionError, match="no STATE was printed in time"):
            running.next_state(seconds=1)
    assert running.next_state() == {"n": 2}
    assert running.end().code == 0


def test_a_state_is_printed_while_the_input_stays_open_but_silent(
    target, make, pair, query, eventually
):
    running = target.start()
    running.send(pair, *people(make, ("a", "Ana", 1)), make.state({"n": 1}))

    assert running.next_state() == {"n": 1}
    assert query("SELECT count(*) FROM {s}.people") == [(1,)]
    open_ones = (
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%' "
        "AND application_name = 'target-scout-postgres'"
    )
    eventually(lambda: query(open_ones) == [(0,)])
    assert running.end().states == []


def test_no_transaction_stays_open_while_the_input_is_silent(target, make, pair, query, eventually):
    running = target.start(batch_size_rows=1, batch_wait_limit_seconds=600)
    running.send(pair, *people(make, ("a", "Ana", 1)), make.state({"n": 1}))
    running.next_state()
    running.send(*people(make, ("b", "Ben", 2)))

    eventually(lambda: query("SELECT count(*) FROM {s}.people") == [(2,)])
    open_ones = (
        "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL "
        "AND application_name = 'target-scout-postgres'"
    )
    eventually(lambda: query(open_ones) == [(0,)])  # rows become visible a moment before it ends
    assert running.end().states == []


def test_an_empty_state_is_never_printed(target, make, pair):
    result = target.load(pair, make.state({}), *people(make, ("a",)), make.state(None))

    assert result.states == []


def test_sigterm_commits_what_was_received_and_exits_143(target, make, pair, query):
    running = target.start(batch_wait_limit_seconds=60)
    running.send(pair, *people(make, ("a", "Ana", 1)), make.state({"n": 0}))
    running.next_state()
    running.send(make.state({"n": 1}), *people(make, ("b",)))
    time.sleep(0.3)
    running.signal(signal.SIGTERM)
    result = running.end()

    assert (result.code, result.states) == (143, [{"n": 1}])
    assert query("SELECT id FROM {s}.people ORDER BY id") == [("a",), ("b",)]


def test_sigint_exits_130(target, make, pair):
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(pair, make.state({"n": 1}))
    running.next_state()
    running.signal(signal.SIGINT)

    assert running.end().code == 130


def test_the_load_log_says_what_a_run_loaded(target, make, pair, query):
    other = make.schema("other", {"id": "string"}, ["id"])
    target.load(pair, other, *people(make, ("a",), ("b",), ("a",)), env={"SCOUT_RUN_ID": "run-1"})

    rows = query(
        "SELECT run_id, stream, rows, bytes > 0, completed_at >= started_at, version, status "
        "FROM {s}._scout_loads ORDER BY stream"
    )
    assert rows == [
        ("run-1", "other", 0, False, True, None, "completed"),
        ("run-1", "people", 3, True, True, None, "completed"),
    ]


def test_the_name_of_a_run_is_meltanos_when_control_gives_none(target, make, pair, query):
    target.load(pair, env={"MELTANO_RUN_ID": "meltano-7"})

    assert query("SELECT run_id FROM {s}._scout_loads") == [("meltano-7",)]


def test_the_next_run_marks_a_killed_one_as_interrupted(target, make, pair, query):
    running = target.start(env={"SCOUT_RUN_ID": "killed"}, batch_wait_limit_seconds=0.1)
    running.send(pair, *people(make, ("a",)), make.state({"n": 1}))
    running.next_state()
    assert query("SELECT status, completed_at FROM {s}._scout_loads") == [("running", None)]
    running.signal(signal.SIGKILL)
    running.end()

    target.load(pair, env={"SCOUT_RUN_ID": "next"})

    assert query("SELECT run_id, status FROM {s}._scout_loads ORDER BY run_id") == [
        ("killed", "interrupted"),
        ("next", "completed"),
    ]


def test_a_stream_without_records_gets_its_table(target, make, pair, columns):
    target.load(pair)

    assert columns("people") == {"id": "text", "name": "text", "age": "bigint"}


def test_append_only_keeps_every_record(target, make, pair, query):
    rows = people(make, ("a", "x", 1), ("a", "y", 2))
    target.load(pair, *rows, load_method="append-only")
    target.load(pair, *rows, load_method="append-only")

    assert query("SELECT count(*) FROM {s}.people") == [(4,)]


def test_append_only_after_upsert_drops_the_key_and_keeps_the_rows(target, make, pair, query):
    rows = people(make, ("a", "x", 1))
    target.load(pair, *rows)
    target.load(pair, *rows, load_method="append-only")
    assert query("SELECT count(*) FROM {s}.people") == [(2,)]

    result = target.load(pair, *people(make, ("a", "z", 9)))

    assert "slower" in result.log
    assert query("SELECT * FROM {s}.people") == [("a", "z", 9)]


def test_overwrite_replaces_at_the_clean_end_only(target, make, pair, query):
    target.load(pair, *people(make, ("a", "old", 1), ("b", "old", 2)))
    running = target.start(load_method="overwrite", batch_wait_limit_seconds=0.1, batch_size_rows=1)
    running.send(pair, *people(make, ("c", "new", 3), ("d", "new", 4)), make.state({"n": 1}))
    time.sleep(0.6)
    assert query("SELECT id FROM {s}.people ORDER BY id") == [("a",), ("b",)]
    result = running.end()

    assert (result.code, result.states) == (0, [{"n": 1}])
    assert query("SELECT id FROM {s}.people ORDER BY id") == [("c",), ("d",)]


def test_an_interrupted_overwrite_changes_nothing_and_prints_no_state(
    target, make, pair, query, eventually
):
    target.load(pair, *people(make, ("a", "old", 1)))
    running = target.start(load_method="overwrite", batch_wait_limit_seconds=0.1)
    running.send(pair, *people(make, ("c", "new", 3)), make.state({"n": 1}))
    stages = (
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE '%%scout_new%%' "
        "AND relnamespace = %s::regnamespace"
    )
    eventually(lambda: query(stages, target.schema) == [(1,)])
    running.signal(signal.SIGTERM)
    result = running.end()

    assert (result.code, result.states) == (143, [])
    assert query("SELECT id FROM {s}.people") == [("a",)]
    target.load(pair, *people(make, ("d", "new", 4)), load_method="overwrite")
    assert query("SELECT id FROM {s}.people") == [("d",)]
