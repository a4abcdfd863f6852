"""Guarantees 6 to 9: exclusive, confined to one owner, bounded, loud."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

COMMAND = [str(Path(sys.executable).parent / "target-scout-postgres")]
OURS = "application_name = 'target-scout-postgres'"
PASSWORD = "only-here"


def as_role(url: str, role: str) -> str:
    """Return the address of the same server for another role."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}").geturl()


@pytest.fixture
def people(make):
    return make.schema("people", {"id": "string", "name": "string"}, ["id"])


@pytest.fixture
def holder(target, people, make):
    """A run in progress that waits for input."""
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(people, make.record("people", {"id": "first"}), make.state({"n": 1}))
    running.next_state()
    return running


def test_a_second_run_fails_at_once_and_names_the_holder_of_the_schema(
    target, people, make, holder, query
):
    result = target.run(
        people, make.record("people", {"id": "second"})
    )  # while the first is running

    assert result.code == 1
    pids = [str(pid) for (pid,) in query(f"SELECT pid FROM pg_stat_activity WHERE {OURS}")]
    assert any(f"process {pid} " in result.log for pid in pids)
    assert "target-scout-postgres" in result.log
    assert "since" in result.log
    assert holder.end().code == 0
    assert query("SELECT id FROM {s}.people") == [("first",)]
    assert target.run(people).code == 0


def test_the_lock_ends_with_a_killed_run(target, people, holder):
    holder.signal(signal.SIGKILL)
    holder.end()

    assert target.run(people).code == 0


def test_runs_into_different_schemas_work_concurrently(target, people, holder, query):
    other = {"default_target_schema": target.schema + "_b"}
    try:
        assert target.run(people, **other).code == 0
    finally:
        query(f"DROP SCHEMA IF EXISTS {target.schema}_b CASCADE")


def test_a_connection_that_dies_while_the_source_is_slow_is_opened_again(
    target, people, make, holder, query
):
    query(f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE {OURS}")
    holder.send(make.record("people", {"id": "later"}), make.state({"n": 2}))

    assert holder.next_state() == {"n": 2}
    assert target.run(people).code == 1  # the lock is held again
    assert holder.end().code == 0
    assert query("SELECT count(*) FROM {s}.people") == [(2,)]


def test_a_run_whose_lock_went_to_another_run_ends(target, people, make, holder, query):
    query(f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE {OURS}")
    other = target.start(batch_wait_limit_seconds=0.1)
    other.send(people, make.record("people", {"id": "other"}), make.state({"o": 1}))
    other.next_state()
    holder.send(make.record("people", {"id": "later"}), make.state({"n": 2}))
    result = holder.end()

    assert (result.code, result.states) == (1, [])
    assert query("SELECT id FROM {s}.people ORDER BY id") == [("first",), ("other",)]
    assert other.end().code == 0


def test_a_connection_lost_in_a_transaction_ends_the_run_without_a_false_state(
    target, people, make, query, eventually
):
    target.load(people)
    blocker = psycopg2.connect(target.url)
    with blocker.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {target.schema}.people IN EXCLUSIVE MODE")
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(people, make.record("people", {"id": "a"}), make.state({"n": 1}))
    ask = f"SELECT count(*) FROM pg_stat_activity WHERE {OURS} AND wait_event_type = 'Lock'"
    eventually(lambda: query(ask) != [(0,)])
    query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}")
    result = running.end()
    blocker.close()

    assert (result.code, result.states) == (1, [])
    assert "Traceback" not in result.log
    assert query("SELECT count(*) FROM {s}.people") == [(0,)]


def test_a_connection_lost_in_a_copy_leaves_one_clean_line(target, people, make, query):
    filler = "a-patients-name" * 60
    running = target.start(batch_wait_limit_seconds=0.2)

    def feed():
        with contextlib.suppress(OSError, ValueError):
            running.send(people)
            for n in range(400_000):
                running.send(make.record("people", {"id": str(n), "name": filler}))
                if n % 500 == 0:
                    running.send(make.state({"n": n}))

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    copying = "query LIKE 'COPY%%' AND state = 'active'"
    ask = f"SELECT pid FROM pg_stat_activity WHERE {OURS} AND {copying}"
    deadline = time.monotonic() + 120
    while running.process.poll() is None and time.monotonic() < deadline:
        for (pid,) in query(ask):
            query("SELECT pg_terminate_backend(%s)", pid)
    log = running.process.stderr.read().decode()
    states = [json.loads(line)["n"] for line in running.process.stdout.read().splitlines()]
    feeder.join(60)

    assert running.process.wait(60) == 1
    assert "Traceback" not in log
    assert "CONTEXT" not in log
    assert "patient" not in log
    assert sum("ERROR" in line for line in log.splitlines()) == 1
    again = "opening it again"  # of a COPY that was over before its end arrived
    assert len([line for line in log.splitlines() if again not in line]) <= 2
    if states:
        assert query("SELECT count(*) FROM {s}.people")[0][0] >= max(states)


def test_a_closed_output_pipe_ends_the_run_with_1(target, people, make):
    running = target.start(batch_wait_limit_seconds=0.1)
    running.process.stdout.close()
    running.send(people, make.record("people", {"id": "a"}), make.state({"n": 1}))
    running.process.wait(60)
    log = running.process.stderr.read().decode()

    assert running.process.returncode == 1
    assert "Traceback" not in log


def test_a_server_that_does_not_answer_exits_1_and_is_named(target, people):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]  # nothing listens there, and nothing else can
        parts = {"database_url": None, "host": "127.0.0.1", "port": port, "database": "x"}
        by_parts = target.run(people, **parts, user="u", password="topsecret")
        by_url = target.run(people, database_url=f"postgresql://u:topsecret@127.0.0.1:{port}/x")

    for result in (by_parts, by_url):
        assert result.code == 1
        assert f"127.0.0.1:{port}" in result.log
        assert "topsecret" not in result.log


def test_a_database_that_is_not_there_exits_1(target, people):
    result = target.run(
        people, database_url=urlsplit(target.url)._replace(path="/nowhere").geturl()
    )

    assert result.code == 1
    assert "database" in result.log


def test_a_missing_schema_that_may_not_be_created_is_an_error(target, people):
    result = target.run(people, create_schema=False)

    assert result.code in (1, 2)
    assert target.schema in result.log
    assert "create_schema" in result.log


def test_the_owner_is_recorded_and_another_owner_is_rejected(target, people, make, query):
    target.load(people, owner="project 7")
    assert query(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s",
        target.schema,
    ) == [("project 7",)]
    result = target.run(people, make.record("people", {"id": "a"}), owner="user 3")

    assert result.code == 1
    assert "owner" in result.log
    assert query("SELECT count(*) FROM {s}.people") == [(0,)]
    assert target.run(people, owner="project 7").code == 0


@pytest.fixture
def reader(target, query):
    role = f"{target.schema}_ro"
    query(f"CREATE ROLE {role}")
    yield role
    query(f"DROP OWNED BY {role}")
    query(f"DROP ROLE {role}")


def test_a_reader_role_may_read_all_tables_also_later_ones(target, people, make, query, reader):
    target.load(people, reader_role=reader)
    target.load(make.schema("later", {"id": "string"}, ["id"]), reader_role=reader)
    query("CREATE TABLE {s}.made_by_others (x int)")

    for table in ("people", "later", "made_by_others"):
        ask = f"SELECT has_table_privilege(%s, '{{s}}.{table}', 'SELECT')"
        assert query(ask, reader) == [(True,)]
    assert query("SELECT has_table_privilege(%s, '{s}.people', 'INSERT')", reader) == [(False,)]
    assert query("SELECT has_schema_privilege(%s, %s, 'USAGE')", reader, target.schema) == [(True,)]


def test_a_reader_role_that_comes_later_may_read_older_tables(target, people, query, reader):
    target.load(people)
    target.load(people, reader_role=reader)

    assert query("SELECT has_table_privilege(%s, '{s}.people', 'SELECT')", reader) == [(True,)]


def test_a_reader_role_that_is_not_there_is_named(target, people):
    result = target.run(people, reader_role="nobody_at_all")

    assert result.code == 2
    assert "nobody_at_all" in result.log


@pytest.fixture
def writer(target, query):
    """A role that owns its schema and nothing else, not even temporary tables."""
    role = f"{target.schema}_rw"
    query(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    query(f"CREATE SCHEMA {{s}} AUTHORIZATION {role}")
    query("REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC")
    yield role
    query("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC")
    query("DROP SCHEMA {s} CASCADE")
    query(f"DROP ROLE {role}")


def test_a_role_without_any_right_outside_its_schema_suffices(target, people, make, query, writer):
    url = as_role(target.url, writer)
    for n in range(2):
        rows = [make.record("people", {"id": str(k), "name": str(n)}) for k in range(20)]
        result = target.run(people, *rows, database_url=url, batch_size_rows=5)
        assert result.code == 0, result.log
    versioned = [make.record("people", {"id": "z"}, 3), make.activate("people", 3)]
    assert target.run(people, *versioned, database_url=url).code == 0
    assert query("SELECT id FROM {s}.people") == [("z",)]


def test_a_schema_that_may_not_be_written_is_an_error(target, people, query, writer):
    query("CREATE SCHEMA {s}_not_ours".replace("{s}", target.schema))
    try:
        url = as_role(target.url, writer)
        result = target.run(
            people, database_url=url, default_target_schema=f"{target.schema}_not_ours"
        )
        assert result.code == 1
        assert "_not_ours" in result.log
    finally:
        query(f"DROP SCHEMA {target.schema}_not_ours")


def test_nothing_outside_the_dataset_schema_changes(target, people, make, query):
    ask = (
        "SELECT relname::text, relnamespace FROM pg_class "
        "WHERE relnamespace <> %s::regnamespace AND relname NOT LIKE 'pg_toast%%' ORDER BY 1, 2"
    )
    query("CREATE SCHEMA {s}")
    before = query(ask, target.schema)
    running = target.start(batch_size_rows=2, batch_wait_limit_seconds=0.1)
    running.send(people, *[make.record("people", {"id": str(n % 5)}) for n in range(30)])
    running.send(make.state({"n": 1}))
    running.next_state()
    running.send(*[make.record("people", {"id": str(n), "name": "x"}) for n in range(30)])
    running.send(make.state({"n": 2}))
    running.next_state()

    assert query(ask, target.schema) == before
    assert running.end().code == 0
    assert query(ask, target.schema) == before


def test_a_name_that_belongs_to_a_view_is_an_error(target, people, query):
    query("CREATE SCHEMA {s}")
    query("CREATE VIEW {s}.people AS SELECT 1 AS x")
    result = target.run(people)

    assert result.code == 65
    assert "view" in result.log


def peak_kilobytes(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def test_memory_stays_bounded_with_200_interleaved_streams(target, make, query):
    running = target.start(batch_wait_limit_seconds=600)
    properties = {"id": "integer", "text": "string"}
    filler = "x" * 1000
    with running.process.stdin as stdin:
        for n in range(200):
            stdin.write(json.dumps(make.schema(f"s{n}", properties, ["id"])).encode() + b"\n")
        for k in range(400):
            for n in range(200):
                row = f'{{"type":"RECORD","stream":"s{n}","record":{{"id":{k},"text":"{filler}"}}}}'
                stdin.write(row.encode() + b"\n")
        stdin.write(json.dumps(make.state({"n": 1})).encode() + b"\n")
        stdin.flush()
        assert running.next_state() == {"n": 1}
        peak = peak_kilobytes(running.process)
    running.process.stdin = None
    running.process.communicate(timeout=120)

    assert running.process.returncode == 0
    assert peak < 80_000
    assert query("SELECT count(*) FROM {s}.s199") == [(400,)]


def test_a_reader_of_a_table_that_is_to_change_never_waits_long(
    target, make, people, query, eventually
):
    """A reader has locked the table: a new column must wait, without delaying other readers."""
    target.load(people, make.record("people", {"id": "a"}))
    slow = psycopg2.connect(target.url)
    with slow.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {target.schema}.people")
    wider = make.schema("people", {"id": "string", "name": "string", "new": "string"}, ["id"])
    running = target.start()
    running.send(wider, make.record("people", {"id": "b", "new": "x"}))
    query("SET lock_timeout = '2s'")  # to wait for a lock any longer is an error
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE {OURS} AND wait_event_type = 'Lock'"
    for _ in range(3):
        eventually(lambda: query(waiting) != [(0,)])
        assert query("SELECT count(*) FROM {s}.people") == [(1,)]
    slow.close()
    assert running.end().code == 0

    assert query("SELECT new FROM {s}.people ORDER BY id") == [(None,), ("x",)]


def test_meltanos_structured_log_gets_json_lines(target, people, make, tmp_path):
    config = tmp_path / "logging.json"
    formatter = {"()": "singer_sdk.logging.StructuredFormatter"}
    config.write_text(json.dumps({"formatters": {"a": formatter}, "root": {"level": "INFO"}}))
    result = target.load(
        people, make.record("people", {"id": "a"}), env={"SINGER_SDK_LOG_CONFIG": str(config)}
    )

    events = [json.loads(line) for line in result.log.splitlines()]
    assert {event["level"] for event in events} == {"info"}
    assert any("people" in event["message"] for event in events)


def test_a_plain_run_starts_without_the_sdk(target, people):
    code = (
        "import sys; from target_scout_postgres.cli import run; code = run(sys.argv[1:]); "
        "slow = {'singer_sdk', 'sqlalchemy', 'click', 'logging.config'} & set(sys.modules); "
        "sys.exit(repr(slow) if slow else code)"
    )
    arguments = target.configure()[1:]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=json.dumps(people).encode(),
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
