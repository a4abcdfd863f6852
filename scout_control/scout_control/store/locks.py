"""Locks as rows of a table in the store, which only control can write.

Advisory locks would not do: any role that may connect to a database can take and keep them. A row
names the Postgres session that holds the lock, and lapses with it: a session that Postgres no
longer lists holds nothing. A dataset is locked while it is loaded and transformed, a credential
while its tokens may rotate. Keepalives on both ends of the connection detect a lost network
quickly, since a worker that was cut off must not hold a dataset for hours.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import text

from scout_control.errors import ServerError
from scout_control.rules import session_settings
from scout_control.store.postgres import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scout_control.store.database import Store

# The session of this connection. Not combined with ACQUIRE: Postgres reads pg_stat_activity once
# per transaction, and ACQUIRE needs its state at the time when it has locked the row.
SESSION = """
    SELECT pid, backend_start, usename FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""
# backend_start of another role's session is visible to superusers only; pid and role must suffice
# then. The role keeps a session of another role from passing for that of a worker that died.
ACQUIRE = """
    INSERT INTO scout_control.locks AS held (name, pid, backend_start, role)
    VALUES (%(name)s, %(pid)s, %(start)s, %(role)s)
    ON CONFLICT (name) DO UPDATE
       SET pid = excluded.pid, backend_start = excluded.backend_start, role = excluded.role
     WHERE (held.pid, held.backend_start) = (%(own_pid)s, %(own_start)s)
        OR NOT EXISTS (
           SELECT FROM pg_stat_activity AS session
            WHERE session.pid = held.pid AND session.usename = held.role
              AND coalesce(session.backend_start = held.backend_start, true)
           )
    RETURNING true
"""
COUNT = """
    SELECT count(*) FROM scout_control.locks
     WHERE name = ANY(%(names)s) AND pid = %(pid)s AND backend_start = %(start)s
"""
RELEASE = """
    DELETE FROM scout_control.locks
     WHERE name = ANY(%(names)s) AND pid = %(pid)s AND backend_start = %(start)s
"""
INSERT_LOCK = text("""
    INSERT INTO scout_control.locks (name, pid, backend_start, role)
    VALUES (:name, pg_backend_pid(), now(), current_user)
""")
DELETE_LOCK = text("DELETE FROM scout_control.locks WHERE name = :name")
SET_LOCK_TIMEOUT = text("SELECT set_config('lock_timeout', :wait, true)")
CLIENT_KEEPALIVES: dict[str, Any] = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 35_000,
}
RETRY_SECONDS = 0.1
LONGEST_DEATH_SECONDS = 2.0
"""How long a server on the same network lists the session of a process that was killed."""
GRANTS_LOCK = "scout grants"


def dataset_lock(dataset: object) -> str:
    """Return the name of a dataset's lock."""
    return f"scout dataset {dataset}"


def credential_lock(credential: object) -> str:
    """Return the name of a credential's lock."""
    return f"scout credential {credential}"


def query_login_lock(dataset: object) -> str:
    """Return the name of the lock for logging in as a dataset's query role."""
    return f"scout login {dataset}"


class Locks:
    """The locks of one Postgres session."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names: list[str] = []
        self._connection, self._session = self._connect()

    def acquire(self, name: str, longest_seconds: float = 0.0) -> bool:
        """Acquire a lock if it is free, or within a time; return whether we hold it.

        The session of a process that was killed is listed for a moment after its death.
        """
        until = time.monotonic() + longest_seconds
        while name not in self._names:
            if self._is_acquired(name, self._session):
                self._names.append(name)
            elif time.monotonic() >= until:
                return False
            else:
                time.sleep(RETRY_SECONDS)
        return True

    def are_held(self) -> bool:
        """Return whether we still hold all acquired locks."""
        try:
            [(count,)] = self.execute(COUNT, {"names": self._names, **self._session})
        except psycopg.Error:
            return False
        return bool(count == len(self._names))

    def execute(self, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Execute a statement on the connection of the locks; success proves that they hold.

        Raises:
            psycopg.Error: The connection is lost, and the locks with it.
        """
        with self._connection.cursor() as cursor:
            cursor.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def reacquire(self) -> bool:
        """Reconnect and acquire all locks again; return whether all could be acquired."""
        previous = self._session
        with suppress(psycopg.Error):
            self._connection.close()
        try:
            self._connection, self._session = self._connect()
            # Postgres may not have noticed yet that the previous session is lost, and still list
            # it; ACQUIRE therefore also accepts rows of that session.
            return all(self._is_acquired(name, previous) for name in self._names)
        except (ServerError, psycopg.Error):
            return False

    def close(self) -> None:
        """Release all locks and disconnect."""
        # Rows would lapse with the session, but it may outlive us by a moment in pg_stat_activity.
        with suppress(psycopg.Error):
            self.execute(RELEASE, {"names": self._names, **self._session})
        with suppress(psycopg.Error):
            self._connection.close()

    def _is_acquired(self, name: str, previous: dict[str, Any]) -> bool:
        own = {"own_pid": previous["pid"], "own_start": previous["start"]}
        return bool(self.execute(ACQUIRE, {"name": name, **self._session, **own}))

    def _connect(self) -> tuple[psycopg.Connection[Any], dict[str, Any]]:
        connection = connect(
            self._store.driver_url,
            autocommit=True,
            settings=session_settings.STORE,
            **CLIENT_KEEPALIVES,
        )
        [(pid, start, role)] = connection.execute(SESSION).fetchall()
        return connection, {"pid": pid, "start": start, "role": role}


@contextmanager
def try_locks(store: Store, *names: str, longest_seconds: float = 0.0) -> Iterator[bool]:
    """Try to acquire these locks, all or none, for a time; yield whether that succeeded."""
    locks = Locks(store)
    try:
        yield all(locks.acquire(name, longest_seconds) for name in names)
    finally:
        locks.close()


@contextmanager
def exclusive(
    store: Store, name: str, seconds: int = session_settings.EXCLUSIVE_TIMEOUT_SECONDS
) -> Iterator[None]:
    """Run a short critical section; a concurrent caller waits for its end.

    The row is inserted and deleted in one transaction: it is never visible to others, but its
    primary key makes concurrent inserts wait. So nothing remains after a crash.

    Raises:
        ConflictError: The other caller took longer than ``seconds``.
    """
    with store.begin() as session:
        session.execute(SET_LOCK_TIMEOUT, {"wait": f"{seconds}s"})
        session.execute(INSERT_LOCK, {"name": name})
        yield
        session.execute(DELETE_LOCK, {"name": name})
