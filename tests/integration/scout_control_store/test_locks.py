"""A lock ends with its session, whatever ends the session."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
from scout_control.installation import embedded_postgres
from scout_control.store import migrate
from scout_control.store.database import Store
from scout_control.store.locks import Locks, try_locks


@pytest.fixture
def server(folder):
    """A server that the test can stop."""
    yield folder / "data"
    embedded_postgres.stop(folder / "data")


@pytest.fixture
def store(server):
    made = Store(
        embedded_postgres.create_database(embedded_postgres.start(server, durable=False), "store")
    )
    migrate.migrate(made)
    yield made
    made.close()


def test_a_lock_is_waited_for_while_its_session_ends(store):
    first = Locks(store)
    assert first.acquire("one")
    with closing(Locks(store)) as second:
        assert not second.acquire("one", 0.2)
        ending = threading.Timer(0.3, first.close)
        ending.start()
        assert second.acquire("one", 30.0)
        ending.join()


def test_locks_lapse_with_a_restart_of_the_server_and_can_be_reacquired(store, server):
    with closing(Locks(store)) as locks:
        assert locks.acquire("one")
        assert locks.acquire("two")
        with try_locks(store, "one") as is_free:
            assert not is_free
        embedded_postgres.stop(server)
        assert not locks.are_held()
        assert not locks.reacquire()
        embedded_postgres.start(server, durable=False)
        store.close()
        with try_locks(store, "two") as is_free:
            assert is_free
            assert not locks.reacquire()
        assert locks.reacquire()
        assert locks.are_held()
    with try_locks(store, "one", "two") as is_free:
        assert is_free
