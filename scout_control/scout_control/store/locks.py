"""Locks that one session of Postgres holds, and that end with it.

One for a dataset while it is loaded and transformed, one for a credential whose tokens rotate. The
connection is told to notice quickly that the network is gone, on both of its ends: a worker that
was cut off must not hold a dataset for hours.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg

from scout_control.errors import ServerError
from scout_control.rules import sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scout_control.store.database import Store

TRY = "SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 0))"
ON_OUR_SIDE: dict[str, Any] = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 35_000,
    "connect_timeout": 10,
}


def of_dataset(dataset: object) -> str:
    """Return the name of the lock of a dataset."""
    return f"scout dataset {dataset}"


def of_credential(credential: object) -> str:
    """Return the name of the lock of a credential."""
    return f"scout credential {credential}"


class Locks:
    """Locks held by one connection of their own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: list[str] = []
        self._connection = self._connect()

    def take(self, name: str) -> bool:
        """Take a lock if nobody holds it; tell whether it is ours now."""
        if name in self._held:
            return True
        if self._is_taken(name):
            self._held.append(name)
            return True
        return False

    def execute(self, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Execute a statement over the connection that holds the locks: it proves that they hold.

        Raises:
            psycopg.Error: The connection is gone, and the locks with it.
        """
        with self._connection.cursor() as cursor:
            cursor.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def regain(self) -> bool:
        """Connect again and take all locks again; tell whether nobody else has them."""
        self.close()
        try:
            self._connection = self._connect()
            return all(self._is_taken(name) for name in self._held)
        except (ServerError, psycopg.Error):
            return False

    def close(self) -> None:
        """Release everything."""
        with suppress(psycopg.Error):
            self._connection.close()

    def _is_taken(self, name: str) -> bool:
        return bool(self.execute(TRY, {"name": name})[0][0])

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            connection = psycopg.connect(
                self._store.driver_url, autocommit=True, prepare_threshold=None, **ON_OUR_SIDE
            )
            connection.execute(sessions.statements((*sessions.PLAIN, *sessions.LOST_PEER)))
        except psycopg.OperationalError:
            raise ServerError(
                "The store's Postgres does not answer, or refuses the login.",
                "Check that it runs, and the user, password and database of SCOUT_DATABASE_URL.",
            ) from None
        return connection


@contextmanager
def holding(store: Store, *names: str) -> Iterator[bool]:
    """Hold these locks for a while; says whether all could be taken, and takes all or none."""
    locks = Locks(store)
    try:
        yield all(locks.take(name) for name in names)
    finally:
        locks.close()
