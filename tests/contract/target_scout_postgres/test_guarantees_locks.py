"""Guarantee 6 against other roles: one that may only read can neither block nor prevent a load."""

from __future__ import annotations

import contextlib
import signal
from urllib.parse import urlsplit

import psycopg2
import pytest

PASSWORD = "only-here"
LOCK = "{s}._scout_lock"
OURS = "application_name = 'target-scout-postgres'"
OLD_KEY = "target-scout-postgres:"


def as_role(url: str, role: str) -> str:
    """Return the address of the same server for another role."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}").geturl()


@pytest.fixture
def people(make):
    return make.schema("people", {"id": "string", "name": "string"}, ["id"])


@pytest.fixture
def role(target, query):
    """Make roles that may log in; they are dropped with what they own after the test."""
    made: list[str] = []

    def create(suffix: str) -> str:
        name = f"{target.schema}_{suffix}"
        query(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        made.append(name)
        return name

    yield create
    query("DROP SCHEMA IF EXISTS {s} CASCADE")
    for name in made:
        query(f"DROP OWNED BY {name}")
        query(f"DROP ROLE {name}")


@pytest.fixture
def reader(target, role):
    """A session of a role that may only read; it is closed after the test."""
    name = role("reader")
    session = psycopg2.connect(as_role(target.url, name), application_name="a notebook")
    session.autocommit = True
    yield session
    session.close()


def execute(session, text, *values):
    with session.cursor() as cursor:
        cursor.execute(text, values or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def loaded(target, people, make, reader):
    """A dataset schema that the reader may read."""
    target.load(people, make.record("people", {"id": "a"}), reader_role=reader.info.user)
    return target


# -- the lock --------------------------------------------------------------------------------------


def test_a_role_that_takes_every_advisory_lock_blocks_nothing(loaded, people, make, reader, query):
    """Those seen in pg_locks during a run, and those of earlier releases."""
    running = loaded.start(batch_wait_limit_seconds=0.1)
    running.send(people, make.record("people", {"id": "b"}), make.state({"n": 1}))
    running.next_state()
    seen = query("SELECT classid::bigint, objid::bigint FROM pg_locks WHERE locktype = 'advisory'")
    assert running.end().code == 0
    for high, low in seen:
        execute(
            reader, "SELECT pg_try_advisory_lock(%s)", ((high << 32) | low) - (high >> 31 << 64)
        )
    for number in (0, 1):
        lock = "SELECT pg_try_advisory_lock(hashtextextended(%s, %s))"
        execute(reader, lock, OLD_KEY + loaded.schema, number)

    result = loaded.run(people, make.record("people", {"id": "c"}), make.state({"n": 2}))

    assert (result.code, result.states) == (0, [{"n": 2}]), result.log


@pytest.mark.parametrize(
    "attack",
    [
        "SELECT * FROM {} FOR UPDATE",
        "SELECT * FROM {} FOR KEY SHARE",
        "BEGIN; LOCK TABLE {} IN ROW SHARE MODE",
        "BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
        "UPDATE {} SET pid = pg_backend_pid()",
        "INSERT INTO {} (name, pid) VALUES ('x', pg_backend_pid())",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "CREATE TRIGGER t AFTER UPDATE ON {} EXECUTE FUNCTION unique_key_recheck()",
    ],
)
def test_a_reader_may_not_lock_or_write_the_lock(loaded, reader, attack):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(reader, attack.format(f"{loaded.schema}._scout_lock"))


@pytest.mark.parametrize("how", ["by default", "by hand", "to all"])
def test_rights_that_others_get_on_all_tables_do_not_hold_for_the_lock(
    loaded, people, make, reader, query, how
):
    name = "PUBLIC" if how == "to all" else reader.info.user
    if how == "by default":
        query("DROP SCHEMA {s} CASCADE; CREATE SCHEMA {s}")
        query(f"GRANT USAGE ON SCHEMA {{s}} TO {name}")
        query(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {{s}} GRANT ALL ON TABLES TO {name}")
    else:
        query(f"GRANT ALL ON ALL TABLES IN SCHEMA {{s}} TO {name}")
    loaded.load(people, make.record("people", {"id": "b"}))

    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(reader, f"SELECT * FROM {loaded.schema}._scout_lock FOR UPDATE")
    assert loaded.load(people, make.record("people", {"id": "c"}))


def test_a_reader_that_reads_the_lock_for_long_holds_up_nothing(loaded, people, make, reader):
    reader.autocommit = False
    execute(reader, f"SELECT * FROM {loaded.schema}._scout_lock")
    execute(reader, f"SELECT * FROM {loaded.schema}._scout_loads")

    assert loaded.load(people, make.record("people", {"id": "b"}), make.state({"n": 1})).states


def kill(running):
    running.signal(signal.SIGKILL)
    running.end()


@pytest.fixture
def killed(target, people, make, query):
    """A dataset schema whose lock names a session that was killed."""
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(people, make.record("people", {"id": "a"}), make.state({"n": 1}))
    running.next_state()
    kill(running)
    assert query(f"SELECT pid IS NOT NULL FROM {LOCK}") == [(True,)]
    return target


@pytest.mark.parametrize(
    ("of", "what"),
    [
        ("another time", "backend_start = backend_start - interval '1 hour'"),
        ("another server", "server_started_at = server_started_at - interval '1 day'"),
        ("a table elsewhere", "table_id = 1"),
        ("another role", "role_id = 1"),
        ("nothing that can be", "pid = -1"),
    ],
)
def test_a_lock_of_a_session_that_cannot_be_this_servers_is_free(
    killed, people, query, connection, of, what
):
    """As after a restored dump, or a reused process id: here that of the test's session."""
    here = (
        "pid = me.pid, backend_start = me.backend_start, role_id = me.usesysid "
        "FROM pg_stat_get_activity(pg_backend_pid()) AS me"
    )
    query(f"UPDATE {LOCK} SET {here}")
    assert killed.run(people).code == 1  # as it is now, it is held by this session
    query(f"UPDATE {LOCK} SET {what}")

    assert killed.run(people).code == 0, of


def test_a_dump_that_is_restored_under_another_name_is_free(holder_of, target, people, query):
    """The row names an existing session, which loads the schema that it was copied from."""
    running = holder_of("people")
    copy = f"{target.schema}_copy"
    try:
        query(f"CREATE SCHEMA {copy}")
        query(f"CREATE TABLE {copy}._scout_lock (LIKE {LOCK} INCLUDING ALL)")
        query(f"INSERT INTO {copy}._scout_lock SELECT * FROM {LOCK}")
        assert target.run(people, default_target_schema=copy).code == 0
    finally:
        query(f"DROP SCHEMA {copy} CASCADE")
    assert running.end().code == 0


@pytest.fixture
def holder_of(target, people, make):
    def start(_stream, **settings):
        running = target.start(batch_wait_limit_seconds=0.1, **settings)
        running.send(people, make.record("people", {"id": "first"}), make.state({"n": 1}))
        running.next_state()
        return running

    return start


def test_no_other_run_gets_between_two_transactions_of_one_that_lost_its_lock_session(
    holder_of, target, people, make, query
):
    """Only the session of the lock ends; the next transaction takes the lock along."""
    running = holder_of("people")
    query(f"SELECT pg_terminate_backend(pid, 60000) FROM {LOCK}")
    running.send(make.record("people", {"id": "second"}), make.state({"n": 2}))
    assert running.next_state() == {"n": 2}

    assert target.run(people).code == 1
    assert running.end().code == 0


def test_a_run_whose_lock_went_to_a_run_that_has_ended_writes_nothing_more(
    holder_of, target, people, make, query
):
    running = holder_of("people")
    query(f"SELECT pg_terminate_backend(pid, 60000) FROM {LOCK}")
    target.load(people, make.record("people", {"id": "other"}))
    running.send(make.record("people", {"id": "late"}), make.state({"n": 2}))
    result = running.end()

    assert (result.code, result.states) == (1, [])
    assert query("SELECT id FROM {s}.people ORDER BY id") == [("first",), ("other",)]
    assert query(f"SELECT pid FROM {LOCK}") == [(None,)]


def test_the_next_run_waits_for_the_last_transaction_of_a_killed_one(
    target, people, make, query, connection, eventually
):
    target.load(people, make.record("people", {"id": "a"}))
    blocker = psycopg2.connect(target.url)
    execute(blocker, f"LOCK TABLE {target.schema}.people IN EXCLUSIVE MODE")
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(people, make.record("people", {"id": "last"}), make.state({"n": 1}))
    waiting = f"SELECT pid FROM pg_stat_activity WHERE {OURS} AND wait_event_type = 'Lock'"
    eventually(lambda: query(waiting) != [])
    ((last,),) = query(waiting)
    running.signal(signal.SIGKILL)
    running.process.wait()
    alive = f"SELECT pid FROM pg_stat_activity WHERE {OURS}"
    eventually(lambda: query(alive) == [(last,)])  # the lock's session is over, this one works on
    following = target.start()
    following.send(people, make.record("people", {"id": "b"}))
    eventually(lambda: len(query(waiting)) == 2)
    blocker.close()

    assert following.end().code == 0
    assert ("b",) in query("SELECT id FROM {s}.people")


def test_a_last_transaction_that_does_not_end_is_named(target, people, make, query, eventually):
    target.load(people, make.record("people", {"id": "a"}))
    blocker = psycopg2.connect(target.url)
    execute(blocker, f"LOCK TABLE {target.schema}.people IN EXCLUSIVE MODE")
    running = target.start(batch_wait_limit_seconds=0.1)
    running.send(people, make.record("people", {"id": "last"}), make.state({"n": 1}))
    waiting = f"SELECT pid FROM pg_stat_activity WHERE {OURS} AND wait_event_type = 'Lock'"
    eventually(lambda: query(waiting) != [])
    ((last,),) = query(waiting)
    running.signal(signal.SIGKILL)
    running.process.wait()
    eventually(lambda: query(f"SELECT pid FROM pg_stat_activity WHERE {OURS}") == [(last,)])
    result = target.run(people, lock_wait_seconds=1)
    blocker.close()

    assert result.code == 1
    assert f"process {last} " in result.log


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a view", "CREATE VIEW {s}._scout_lock AS SELECT 1 AS pid"),
        ("a table of other columns", "CREATE TABLE {s}._scout_lock (name text PRIMARY KEY)"),
        ("a sequence", "CREATE SEQUENCE {s}._scout_lock"),
    ],
)
def test_another_relation_with_the_locks_name_is_reported_and_nothing_is_written(
    target, people, query, name, made
):
    query("CREATE SCHEMA {s}")
    query(made)
    result = target.run(people)

    assert result.code == 1, name
    assert f"{target.schema}._scout_lock" in result.log
    assert query(
        "SELECT count(*) FROM pg_class WHERE relname = 'people' AND relnamespace = "
        "%s::regnamespace",
        target.schema,
    ) == [(0,)]


BOOM = "CREATE FUNCTION {s}.boom() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'boom'; END$$;"


@pytest.mark.parametrize(
    "change",
    [
        BOOM + "CREATE TRIGGER b BEFORE UPDATE ON {s}._scout_lock FOR EACH ROW "
        "EXECUTE FUNCTION {s}.boom()",
        "CREATE RULE r AS ON UPDATE TO {s}._scout_lock DO INSTEAD NOTHING",
        "ALTER TABLE {s}._scout_lock ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE {s}._scout_lock ADD more text",
        "ALTER TABLE {s}._scout_lock ALTER program SET DEFAULT 'x'",
        "ALTER TABLE {s}._scout_lock ADD CHECK (length(program) > 0)",
        "ALTER TABLE {s}._scout_lock ALTER pid TYPE bigint",
        "CREATE INDEX ON {s}._scout_lock (upper(program))",
        "CREATE TABLE {s}.child () INHERITS ({s}._scout_lock)",
        "CREATE TABLE {s}.other (name text REFERENCES {s}._scout_lock)",
    ],
)
def test_a_lock_that_someone_changed_is_reported_and_not_used(target, people, make, query, change):
    target.load(people)
    query(change)
    result = target.run(people, make.record("people", {"id": "a"}))

    assert result.code == 1
    assert f"{target.schema}._scout_lock" in result.log
    assert "DROP TABLE" in result.log
    assert query("SELECT count(*) FROM {s}.people") == [(0,)]


def test_the_stream_of_the_locks_name_is_loaded_beside_it(target, make, query):
    stream = make.schema("_scout_lock", {"id": "string"}, ["id"])
    target.load(stream, make.record("_scout_lock", {"id": "a"}))

    assert query("SELECT count(*) FROM {s}._scout_lock WHERE name = 'load'") == [(1,)]
    assert query(
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE '\\_scout\\_lock\\_%%' "
        "AND relnamespace = %s::regnamespace",
        target.schema,
    ) == [(1,)]


def test_two_roles_that_load_one_schema_keep_each_other_out(
    target, people, make, query, role, holder_of
):
    """The second one sees neither when the first connected nor what it does."""
    first, second = role("one"), role("two")
    query(f"CREATE SCHEMA {{s}} AUTHORIZATION {first}")
    query(f"GRANT USAGE, CREATE ON SCHEMA {{s}} TO {second}")
    by_first, by_second = (as_role(target.url, name) for name in (first, second))
    running = holder_of("people", database_url=by_first)
    rejected = target.run(people, database_url=by_second)
    assert rejected.code == 1
    assert "_scout_lock" in rejected.log
    query(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {{s}} TO {second}")
    busy = target.run(people, database_url=by_second)
    assert busy.code == 1
    assert f"role {first}" in busy.log
    kill(running)
    rows = [people, make.record("people", {"id": "second"}), make.state({"n": 1})]
    result = target.run(*rows, database_url=by_second)
    assert (result.code, result.states) == (0, [{"n": 1}]), result.log
    assert target.run(people, database_url=by_first).code == 0


def test_nothing_is_made_in_a_schema_of_another_owner(target, people, query):
    query("CREATE SCHEMA {s}")
    query("COMMENT ON SCHEMA {s} IS 'user 3'")
    result = target.run(people, owner="project 7")

    assert result.code == 1
    assert query(
        "SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace", target.schema
    ) == [(0,)]


def test_runs_that_begin_at_once_in_a_schema_that_is_not_there_are_one(target, people, make, query):
    runs = [target.start() for _ in range(6)]
    for number, running in enumerate(runs):
        with contextlib.suppress(BrokenPipeError):
            running.send(people, make.record("people", {"id": str(number)}), make.state({"n": 1}))
    results = [running.end() for running in runs]

    assert {result.code for result in results} <= {0, 1}
    for result in results:
        assert result.code == 0 or "is being loaded by" in result.log, result.log
    done = sum(result.code == 0 for result in results)
    assert done >= 1
    assert query("SELECT count(*) FROM {s}.people") == [(done,)]


def test_a_run_that_ended_leaves_the_lock_free_at_once(target, people, query):
    target.load(people)

    assert query(f"SELECT pid FROM {LOCK}") == [(None,)]


# -- tables ----------------------------------------------------------------------------------------


def hold(reader, schema, table):
    reader.autocommit = False
    execute(reader, f"SELECT count(*) FROM {schema}.{table}")


def check_named(result, reader):
    assert result.code == 1, result.log
    assert f"process {reader.info.backend_pid} " in result.log
    assert f"role {reader.info.user}" in result.log
    assert "a notebook" in result.log


@pytest.mark.parametrize(
    "what",
    ["new column", "wider column", "new key"],
)
def test_an_idle_reader_of_a_table_that_must_change_ends_the_run_within_a_bound(
    loaded, make, reader, query, what
):
    changed = {
        "new column": make.schema("people", dict.fromkeys(("id", "name", "new"), "string"), ["id"]),
        "wider column": make.schema("people", {"id": "string", "name": "string"}, ["id"]),
        "new key": make.schema("people", {"id": "string", "name": "string"}, ["name"]),
    }[what]
    record = make.record("people", {"id": "b", "name": "x"})
    if what == "wider column":
        loaded.load(
            make.schema("sizes", {"id": "string", "n": "integer"}, ["id"]),
            make.record("sizes", {"id": "a", "n": 1}),
        )
        changed = make.schema("sizes", {"id": "string", "n": "number"}, ["id"])
        record = make.record("sizes", {"id": "b", "n": 1.5})
    hold(reader, loaded.schema, "sizes" if what == "wider column" else "people")
    result = loaded.run(changed, record, make.state({"n": 1}), lock_wait_seconds=1)

    check_named(result, reader)
    assert result.states == []
    reader.rollback()
    query("DELETE FROM {s}.people WHERE name IS NULL")
    again = loaded.run(changed, record, make.state({"n": 1}))
    assert (again.code, again.states) == (0, [{"n": 1}]), again.log


def stage_of(query, schema):
    ((name,),) = query(
        "SELECT relname FROM pg_class WHERE relname LIKE '\\_scout\\_new\\_%%' "
        "AND relkind = 'r' AND relnamespace = %s::regnamespace",
        schema,
    )
    return name


@pytest.mark.parametrize("first", [True, False])
def test_an_idle_reader_of_a_stage_ends_the_refresh_within_a_bound(
    target, people, make, reader, query, first
):
    """The stage is renamed to the table, or dropped: both wait for its readers."""
    role_name = reader.info.user
    if not first:
        target.load(people, make.record("people", {"id": "old"}), reader_role=role_name)
    running = target.start(batch_wait_limit_seconds=0.1, reader_role=role_name, lock_wait_seconds=1)
    running.send(people, make.record("people", {"id": "new"}, 7), make.state({"n": 1}))
    running.next_state()
    hold(reader, target.schema, stage_of(query, target.schema))
    running.send(make.activate("people", 7), make.state({"n": 2}))
    result = running.end()

    check_named(result, reader)
    assert result.states == []
    reader.rollback()
    if not first:
        assert query("SELECT id FROM {s}.people") == [("old",)]
    assert target.run(people, make.activate("people", 7), make.state({"n": 2})).code == 0
    assert query("SELECT id FROM {s}.people") == [("new",)]


def test_a_locked_table_ends_the_run_in_time_and_the_message_names_the_session(
    loaded, people, make, query
):
    blocker = psycopg2.connect(loaded.url, application_name="a migration")
    execute(blocker, f"LOCK TABLE {loaded.schema}.people IN EXCLUSIVE MODE")
    rows = [make.record("people", {"id": "b"}), make.state({"n": 1})]
    result = loaded.run(people, *rows, lock_wait_seconds=1)
    pid = blocker.info.backend_pid
    blocker.close()

    assert (result.code, result.states) == (1, [])
    assert f"process {pid} " in result.log
    assert "a migration" in result.log
    assert loaded.run(people, *rows).code == 0
