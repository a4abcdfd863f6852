"""Locks that matter are control's: other roles can neither take them nor make control wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing

import psycopg2
import pytest
from scout_control.errors import ConflictError
from scout_control.installation import embedded_postgres
from scout_control.store.database import Store
from scout_control.store.locks import Locks, dataset_lock, exclusive, try_locks
from support.logins import with_login
from support.workers import LONGEST_SECONDS, environment_of, wait_until, worker

SEEN = """
    SELECT classid::bigint << 32 | objid::bigint FROM pg_locks
     WHERE locktype = 'advisory' AND objsubid = 1 AND pid <> %s
"""


@pytest.fixture(scope="module")
def owner(shared_world):
    return shared_world.owner("river")


@pytest.fixture
def dataset_id(world, owner):
    return world.scout.datasets.show(owner.path).id


@pytest.fixture
def stranger(world):
    """A session of a role that can only connect."""
    world.ask("CREATE ROLE stranger LOGIN PASSWORD 'known'")
    with closing(psycopg2.connect(with_login(world.superuser, "stranger", "known"))) as opened:
        opened.autocommit = True
        yield opened.cursor()
    world.ask("DROP ROLE stranger")


def test_advisory_locks_of_others_delay_neither_runs_nor_anything_else(
    world, owner, dataset_id, stranger
):
    """Those of earlier releases, and all that are observed during a run."""
    names = [
        dataset_lock(dataset_id),
        owner.schema,
        owner.names["query"],
        "scout grants",
        "scout_control migrations",
    ]
    for name in names:
        stranger.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
    world.act(seconds=2)
    seen = set()
    running = threading.Thread(target=world.scout.run, args=[owner.path])
    running.start()
    while running.is_alive():
        seen |= {key for (key,) in world.ask(SEEN, stranger.connection.info.backend_pid)}
        running.join(0.1)
    for key in seen:
        stranger.execute("SELECT pg_try_advisory_lock(%s)", [key])

    world.act()
    assert world.scout.run(owner.path).status == "completed"
    assert world.scout.datasets.query(owner.path, "SELECT count(*) FROM things").rows == [(3,)]
    world.scout.init()
    world.scout.tick()
    other = world.owner("hill")
    world.scout.datasets.drop(other.path)
    assert world.scout.datasets.show(other.path).status == "expired"


@pytest.mark.parametrize(
    "attack",
    [
        "SELECT * FROM scout_control.locks FOR UPDATE",
        "DO $$ BEGIN LOCK TABLE scout_control.locks IN ACCESS SHARE MODE; END $$",
        "DO $$ BEGIN LOCK TABLE scout_control.alembic_version IN ACCESS SHARE MODE; END $$",
        "INSERT INTO scout_control.locks VALUES ('x', pg_backend_pid(), now(), current_user)",
        "DELETE FROM scout_control.locks",
        "INSERT INTO scout_control.touches (schema_name) VALUES ('x')",
        "DELETE FROM scout_control.touches",
    ],
)
@pytest.mark.parametrize("kind", ["reader", "writer", "query"])
def test_no_role_of_an_owner_can_write_or_lock_the_locks(world, owner, kind, attack):
    with world.session_of(owner.names[kind]) as cursor:
        cursor.execute("SET default_transaction_read_only TO off")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(attack)


def test_a_reader_that_touches_in_an_endless_transaction_delays_nothing(world, owner):
    with world.session_of(owner.names["reader"]) as cursor:
        before = world.scout.datasets.show(owner.path).last_activity_at
        world.ask(
            "UPDATE scout_control.datasets SET last_activity_at = now() - interval '2 days' "
            "WHERE schema_name = %s",
            owner.schema,
        )
        cursor.execute("BEGIN")
        cursor.execute("SELECT scout_control.touch(%s)", [owner.schema])
        assert cursor.fetchall() == [(True,)]
        held = world.ask(
            "SELECT DISTINCT relation::regclass::text, mode FROM pg_locks WHERE pid = %s "
            "AND relation::regclass::text LIKE 'scout_control.%%'",
            cursor.connection.info.backend_pid,
        )
        assert {name for name, _ in held} <= {
            "scout_control.touches",
            "scout_control.touches_pkey",
            "scout_control.touches_id_seq",
        }
        world.scout.init()
        world.ask("ALTER TABLE scout_control.datasets ADD COLUMN later int")  # as a migration does
        world.ask("ALTER TABLE scout_control.datasets DROP COLUMN later")
        assert world.scout.run(owner.path).status == "completed"
        cursor.execute("COMMIT")
        world.ask(
            "UPDATE scout_control.datasets SET last_activity_at = now() - interval '2 days' "
            "WHERE schema_name = %s",
            owner.schema,
        )
        cursor.execute("SELECT scout_control.touch(%s)", [owner.schema])

    assert world.scout.datasets.show(owner.path).last_activity_at >= before
    assert world.ask("SELECT count(*) FROM scout_control.touches") == [(0,)]


def test_of_concurrent_sessions_one_acquires_a_lock_even_of_a_dead_session(world, dataset_id):
    store, name = world.scout.installation.store, dataset_lock(dataset_id)
    for _ in range(5):
        dead = Locks(store)
        assert dead.acquire(name)
        world.ask("SELECT pg_terminate_backend(pid, 30000) FROM scout_control.locks")
        takers = [Locks(store) for _ in range(6)]
        taken: list[Locks] = []
        start = threading.Barrier(len(takers))

        def acquire(taker, start=start, taken=taken):
            start.wait()
            if taker.acquire(name):
                taken.append(taker)

        threads = [threading.Thread(target=acquire, args=[taker]) for taker in takers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [winner] = taken
        assert winner.are_held()
        assert not dead.are_held()
        assert not dead.reacquire()
        for taker in (*takers, dead):
            taker.close()
    with try_locks(store, name) as is_free:
        assert is_free


def test_a_lost_lock_can_be_reacquired_only_by_its_previous_holder(world, dataset_id):
    store, name = world.scout.installation.store, dataset_lock(dataset_id)
    with closing(Locks(store)) as locks:
        assert locks.acquire(name)
        world.ask("SELECT pg_terminate_backend(pid, 30000) FROM scout_control.locks")
        assert not locks.are_held()
        assert locks.reacquire()
        assert locks.are_held()
        with try_locks(store, name) as is_free:
            assert not is_free


def test_a_session_of_another_role_never_passes_for_a_dead_one(world, dataset_id, stranger):
    """Process ids are reused: a lock that depends on a session alone would never end."""
    store, name = world.scout.installation.store, dataset_lock(dataset_id)
    world.ask(
        "INSERT INTO scout_control.locks VALUES (%s, %s, now() - interval '1 day', %s)",
        name,
        stranger.connection.info.backend_pid,
        world.control,
    )

    with try_locks(store, name) as is_free:
        assert is_free


def test_a_critical_section_runs_once_at_a_time(world):
    store, order = world.scout.installation.store, []
    inside = threading.Event()

    def second():
        with exclusive(store, "x"):
            order.append("second")

    with exclusive(store, "x"):
        thread = threading.Thread(target=second)
        thread.start()
        wait_until(lambda: world.ask(WAITING, world.control) != [(0,)])
        order.append("first")
        inside.set()
    thread.join(LONGEST_SECONDS)

    assert order == ["first", "second"]
    assert world.ask("SELECT count(*) FROM scout_control.locks WHERE name = 'x'") == [(0,)]


WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock'
"""


def test_a_killed_worker_leaves_neither_lock_nor_login(world, owner):
    world.act(seconds=600)
    run = world.scout.runs.queue(owner.path)
    begun = len(world.told())
    with worker(world.settings, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: len(world.told()) > begun)
        can_log_in = world.ask(CAN_LOG_IN, owner.names["writer"])
        process.send_signal(signal.SIGKILL)
        process.wait(LONGEST_SECONDS)
    wait_until(lambda: not world.ask(HOLDERS))
    left = world.ask(CAN_LOG_IN, owner.names["writer"])
    world.scout.runs.cancel(run.run_id)
    world.scout.tick()
    world.act()

    assert (can_log_in, left) == ([(True,)], [(True,)])
    assert world.ask(CAN_LOG_IN, owner.names["writer"]) == [(False,)]
    assert world.scout.run(owner.path).status == "completed"


CAN_LOG_IN = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"
HOLDERS = """
    SELECT pid FROM scout_control.locks
      JOIN pg_stat_activity AS session USING (pid, backend_start)
"""


@pytest.mark.parametrize("ending", ["fails", "stops"])
def test_a_writer_can_log_in_only_during_its_run(world, owner, ending):
    world.act(**({"exit": 1} if ending == "fails" else {"exit": 75, "resume_in": 3600}))
    run = world.scout.run(owner.path)

    assert run.status == ("failed" if ending == "fails" else "paused")
    found = world.ask(
        "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = %s", owner.names["writer"]
    )
    assert found == [(False, None)]
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
    assert world.ask(sessions, owner.names["writer"]) == [(0,)]
    if ending == "stops":
        world.scout.runs.cancel(run.run_id)


def test_concurrent_initialisations_run_once(postgres, world):
    url = embedded_postgres.create_database(postgres, f"setup_{os.getpid()}")
    environment = environment_of(world.settings) | {"SCOUT_DATABASE_URL": url}
    command = [sys.executable, "-m", "scout_control", "init"]
    started = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [(each.communicate()[1], each.returncode) for each in started]
    store = Store(url)
    with store.begin() as session:
        count = session.connection().exec_driver_sql(
            "SELECT count(*) FROM scout_control.connections"
        )
        assert count.scalar() == 1
    store.close()

    assert [code for _, code in ended] == [0, 0, 0], ended


def test_a_lock_timeout_is_reported_as_such(world):
    store = world.scout.installation.store
    statement = "SET LOCAL lock_timeout TO '100ms'"
    with exclusive(store, "y"), pytest.raises(ConflictError, match="Could not acquire a lock"):  # noqa: PT012, SIM117
        with store.begin() as session:
            session.connection().exec_driver_sql(statement)
            session.connection().exec_driver_sql(
                "INSERT INTO scout_control.locks VALUES ('y', 1, now(), 'z')"
            )
