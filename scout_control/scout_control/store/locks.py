"""Locks that only control can take: rows of the store's own table.

Any role that may connect to a database may take any advisory lock there, and keep it; only control
may write these rows. A lock is held by one session of Postgres and ends with it, as it names the
session: one that Postgres no longer lists holds nothing. One for a dataset while it is loaded and
transformed, one for a credential whose tokens rotate. The connection is told to notice quickly that
the network is gone, on both of its ends: a worker that was cut off must not hold a dataset for
hours.
"""

from __future__ import annotations

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

# Which session this is. Not asked together with TAKE: Postgres lists the sessions once in a
# transaction, and TAKE must see the list as it is when the row is its own to change.
SESSION = """
    SELECT pid, backend_start, usename FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""
# A session of another role shows when it began to a superuser only: then its number and its role
# must do. The role keeps others from seeming to be the session of a worker that died.
TAKE = """
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
ENTER = text("""
    INSERT INTO scout_control.locks (name, pid, backend_start, role)
    VALUES (:name, pg_backend_pid(), now(), current_user)
""")
LEAVE = text("DELETE FROM scout_control.locks WHERE name = :name")
WAIT = text("SELECT set_config('lock_timeout', :wait, true)")
ON_OUR_SIDE: dict[str, Any] = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 35_000,
}
GRANTS = "scout grants"


def of_dataset(dataset: object) -> str:
    """Return the name of the lock of a dataset."""
    return f"scout dataset {dataset}"


def of_credential(credential: object) -> str:
    """Return the name of the lock of a credential."""
    return f"scout credential {credential}"


def of_login(dataset: object) -> str:
    """Return the name of what keeps two from logging in as the reader of a dataset at once."""
    return f"scout login {dataset}"


class Locks:
    """Locks held by the session of one connection."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names: list[str] = []
        self._connection, self._session = self._connect()

    def take(self, name: str) -> bool:
        """Take a lock if it is free; return whether it is ours now."""
        if name in self._names:
            return True
        if self._is_taken(name, self._session):
            self._names.append(name)
            return True
        return False

    def are_ours(self) -> bool:
        """Return whether all that was taken is still ours."""
        try:
            [(count,)] = self.execute(COUNT, {"names": self._names, **self._session})
        except psycopg.Error:
            return False
        return bool(count == len(self._names))

    def execute(self, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Execute a statement over the connection that holds the locks: it proves that they hold.

        Raises:
            psycopg.Error: The connection is gone, and the locks with it.
        """
        with self._connection.cursor() as cursor:
            cursor.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def regain(self) -> bool:
        """Connect again and take all locks again; return whether no one else has them."""
        before = self._session
        with suppress(psycopg.Error):
            self._connection.close()
        try:
            self._connection, self._session = self._connect()
            return all(self._is_taken(name, before) for name in self._names)
        except (ServerError, psycopg.Error):
            return False

    def close(self) -> None:
        """Release everything."""
        with suppress(psycopg.Error):
            self.execute(RELEASE, {"names": self._names, **self._session})
        with suppress(psycopg.Error):
            self._connection.close()

    def _is_taken(self, name: str, before: dict[str, Any]) -> bool:
        own = {"own_pid": before["pid"], "own_start": before["start"]}
        return bool(self.execute(TAKE, {"name": name, **self._session, **own}))

    def _connect(self) -> tuple[psycopg.Connection[Any], dict[str, Any]]:
        connection = connect(
            self._store.driver_url, autocommit=True, settings=session_settings.STORE, **ON_OUR_SIDE
        )
        [(pid, start, role)] = connection.execute(SESSION).fetchall()
        return connection, {"pid": pid, "start": start, "role": role}


@contextmanager
def holding(store: Store, *names: str) -> Iterator[bool]:
    """Hold these locks for a while; says whether all could be taken, and takes all or none."""
    locks = Locks(store)
    try:
        yield all(locks.take(name) for name in names)
    finally:
        locks.close()


@contextmanager
def alone(
    store: Store, name: str, seconds: int = session_settings.SECONDS_TO_TAKE_TURNS
) -> Iterator[None]:
    """Do something short that two must not do at once; the second one waits for the first.

    The row is there for this transaction only, and is seen by no other.

    Raises:
        ConflictError: The first one took too long.
    """
    with store.begin() as session:
        session.execute(WAIT, {"wait": f"{seconds}s"})
        session.execute(ENTER, {"name": name})
        yield
        session.execute(LEAVE, {"name": name})
