"""The lock that keeps a run alone in its dataset schema: a row that names its session.

The row is in a table that only loaders may write, so that no other role can take the lock or wait
in its way. It holds as long as a connection of its own, which the server ends with the process.
Each writing transaction locks the row too: the run that has taken the lock since is never written
beside, and the next one waits for the last transaction of a run that was killed.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

import psycopg2

from target_scout_postgres.errors import BusyError, DatabaseError, refusal
from target_scout_postgres.postgres import connection as connections
from target_scout_postgres.postgres import lock_statements, statements
from target_scout_postgres.postgres.connection import address

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - a type
    from psycopg2.sql import Composable

    from target_scout_postgres.settings import Settings

Row = tuple[Any, ...]
MADE_AT_ONCE = (psycopg2.errors.UniqueViolation, psycopg2.errors.DuplicateTable)


class DatasetLock:
    """The lock of a dataset schema, and the connection that it lasts as long as."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._schema = settings.default_target_schema
        self._lock = statements.qualified(self._schema, lock_statements.LOCK)
        self._token = str(uuid.uuid4())
        self._connection: Connection | None = None
        self._backend = 0
        self._table_id = 0

    @property
    def name(self) -> str:
        """Return how messages call the table."""
        return f"{self._schema}.{lock_statements.LOCK}"

    def connect(self) -> None:
        """Open the lock's connection."""
        self.close()
        self._connection = connections.connect(self._settings)
        try:
            self._backend = connections.prepare(self._connection, self._settings)
        except psycopg2.Error as error:
            raise refusal(error, "opening a session") from None

    def _ask(self, statement: str | Composable, values: list[Any]) -> list[Row]:
        if self._connection is None:
            raise DatabaseError("The connection of the lock is closed.")
        with self._connection.cursor() as cursor:
            if values:
                statement = connections.with_values(statement, cursor)
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    # -- the table --------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the table of the lock, and make sure that nothing but its holder can change it.

        Raises:
            DatabaseError: Something else has its name, or this role may not write to it.
        """
        names = [lock_statements.LOCK, self._schema]
        doing = f"preparing the lock {self.name}"
        try:
            facts = self._ask(lock_statements.FACTS, [lock_statements.shape(), *names])
            if not facts:
                self._create()
                facts = self._ask(lock_statements.FACTS, [lock_statements.shape(), *names])
            ((problem, may_write, is_ours, owner, self._table_id),) = facts
            self._check(problem, may_write, owner)
            if is_ours:
                for (role,) in self._ask(lock_statements.TRESPASSERS, names):
                    self._ask(lock_statements.restrict(self._lock, role), [])
        except psycopg2.Error as error:
            raise refusal(error, doing) from None

    def _create(self) -> None:
        try:
            self._ask(lock_statements.create(self._lock), [])
        except MADE_AT_ONCE:
            return  # by a run that began at the same moment

    def _check(self, problem: str | None, may_write: bool, owner: str) -> None:  # noqa: FBT001 - private
        if problem is not None:
            raise DatabaseError(
                f"{self.name} {problem}: it is not the table that this target makes for its lock. "
                f"Nothing was written. Look at who changed it, then remove it (DROP TABLE "
                f"{self.name}), and run again."
            )
        if not may_write:
            raise DatabaseError(
                f"The role may not write to {self.name}, which belongs to the role {owner}. Let "
                "that role run the target, or grant this one SELECT, INSERT and UPDATE there."
            )

    # -- taking and holding -----------------------------------------------------------------------

    def acquire(self) -> None:
        """Take the lock, or say who holds it.

        Raises:
            BusyError: Another run holds it, or its last transaction has not ended.
        """
        try:
            self._refuse_if_held()
            if not self._ask(lock_statements.take(self._lock), self._identity()):
                self._refuse_if_held()
                raise BusyError(f"The lock {self.name} went to another run. Run again.")
        except psycopg2.errors.LockNotAvailable:
            raise BusyError(
                f"The last transaction of an earlier run into the dataset schema {self._schema} "
                f"has not ended{self.blocked_by(lock_statements.LOCK)}. Nothing was written. Wait "
                "until it has, then run again."
            ) from None
        except psycopg2.Error as error:
            raise refusal(error, f"taking the lock {self.name}") from None

    def _identity(self) -> list[Any]:
        ((pid, started, role_id, program, role),) = self._ask(lock_statements.IDENTITY, [])
        return [self._token, pid, started, role_id, program, role, self._table_id]

    def _refuse_if_held(self) -> None:
        for pid, program, role, since, is_alive in self._ask(
            lock_statements.holder(self._lock), []
        ):
            if is_alive:
                raise BusyError(
                    f"The dataset schema {self._schema} is being loaded by "
                    f"{_session(pid, program, role, since)}. Nothing was written. Wait until that "
                    "run has ended, then run again."
                )

    @property
    def fence(self) -> tuple[Composable, list[Any]]:
        """Return what begins a transaction that no other run can be beside."""
        return lock_statements.fence(self._lock), [self._token]

    def lost(self) -> BusyError:
        """Return the error of a transaction that finds the row in another run's name."""
        try:
            self._refuse_if_held()
        except BusyError as error:
            return error
        except (psycopg2.Error, DatabaseError):
            self.close()  # nothing can be asked: then nothing is known of the other run
        return BusyError(
            f"The connection that held the lock {self.name} was lost, and another run has loaded "
            "the dataset schema since. What was committed stays. Run again; it resumes at the last "
            "STATE."
        )

    def renew(self) -> tuple[Composable, list[Any]]:
        """Open the lock's connection again; return what notes it in the open transaction."""
        self.connect()
        token, pid, started, role_id, *_ = self._identity()
        return lock_statements.renew(self._lock), [pid, started, role_id, token]

    def ensure_open(self) -> None:
        """Open the lock's connection again if it was lost."""
        try:
            self._ask("SELECT 1", [])
        except (psycopg2.Error, DatabaseError):
            self.connect()

    # -- others -----------------------------------------------------------------------------------

    def blocked_by(self, table: str | None, ours: int = 0) -> str:
        """Name a session that holds a lock which a statement has waited for in vain.

        Args:
            table: The table whose every use was in the way; None for any that is more than reading.
            ours: The server process of the connection that waited.
        """
        values = [self._schema, [self._backend, ours], table, table]
        try:
            found = self._ask(lock_statements.BLOCKERS, values)
        except (psycopg2.Error, DatabaseError):
            return ""
        return f", held by {_session(*found[0])}" if found else ""

    def refuse_pooler(self, connection: Connection, backend: int) -> None:
        """Refuse a pooler that lends one server session to several clients in turn.

        Raises:
            DatabaseError: The connections do not keep their server sessions.
        """
        if connection.info.backend_pid == backend:
            return
        if backend == self._backend or not self._keeps_sessions(connection, backend):
            raise DatabaseError(
                f"At {address(self._settings)} a pooler answers that lends sessions for single "
                "transactions, so no lock would hold. Give the address of Postgres itself, or of "
                "a pool in session mode."
            )

    def _keeps_sessions(self, connection: Connection, backend: int) -> bool:
        """Return whether each of our two connections still has its own server session."""
        try:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT pg_backend_pid()")
                seen = cursor.fetchone()
                now = self._ask("SELECT pg_backend_pid()", [])
                cursor.execute("ROLLBACK")
        except (psycopg2.Error, DatabaseError):
            return False  # not even a transaction goes through
        return seen == (backend,) and now == [(self._backend,)]

    # -- ends -------------------------------------------------------------------------------------

    def release(self) -> None:
        """Give the lock back at once; the server would when it notices that we are gone."""
        with contextlib.suppress(psycopg2.Error, DatabaseError):
            self._ask(lock_statements.release(self._lock), [self._token])
        self.close()

    def close(self) -> None:
        """Close the lock's connection."""
        if self._connection is not None:
            connections.close(self._connection)
            self._connection = None


def _session(pid: int, program: str | None, role: str | None, since: Any) -> str:
    """Describe a session as far as this role may see it."""
    who = f"process {pid} of the server ({program or 'unnamed'}"
    who += f", role {role}" if role else ""
    return who + (f", connected since {since:%Y-%m-%d %H:%M:%S} UTC)" if since else ")")
