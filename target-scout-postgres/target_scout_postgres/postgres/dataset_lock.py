"""The lock that gives a run exclusive use of its dataset schema: a row that names its session.

The row is in a table that only loaders may write, so that no other role can take the lock or block
it. The lock lasts as long as a dedicated connection, which the server ends with the process. Each
writing transaction locks the row too: a run that lost the lock never writes beside its new holder,
and the next run waits for the last transaction of one that was killed.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg2

from target_scout_postgres.errors import BusyError, DatabaseError, to_database_error
from target_scout_postgres.postgres import connection as connections
from target_scout_postgres.postgres import lock_statements, statements
from target_scout_postgres.postgres.connection import display_address

if TYPE_CHECKING:
    from psycopg2 import extensions
    from psycopg2.sql import Composable

    from target_scout_postgres.settings import Settings

Row = tuple[Any, ...]
CREATED_CONCURRENTLY = (psycopg2.errors.UniqueViolation, psycopg2.errors.DuplicateTable)


class TableStatus(NamedTuple):
    """What `TABLE_CHECK` selects about the lock's table."""

    problem: str | None
    may_write: bool
    is_owned: bool
    owner: str
    table_id: int


class DatasetLock:
    """The lock of a dataset schema, and the connection with which it ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._schema = settings.default_target_schema
        self._lock = statements.qualified(self._schema, lock_statements.LOCK)
        self._token = str(uuid.uuid4())
        self._connection: extensions.connection | None = None
        self._backend = 0
        self._table_id = 0

    @property
    def name(self) -> str:
        """Return the table's name for messages."""
        return f"{self._schema}.{lock_statements.LOCK}"

    def connect(self) -> None:
        """Open the lock's connection."""
        self.close()
        self._connection = connections.connect(self._settings)
        try:
            self._backend = connections.configure(self._connection, self._settings)
        except psycopg2.Error as error:
            raise to_database_error(error, "opening a session") from None

    def _query(self, statement: str | Composable, values: list[Any]) -> list[Row]:
        if self._connection is None:
            raise DatabaseError("The connection of the lock is closed.")
        with self._connection.cursor() as cursor:
            if values:
                statement = connections.escape_names(statement, cursor)
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def prepare(self) -> None:
        """Create the lock's table if missing, and make sure that only loaders can write to it.

        Raises:
            DatabaseError: Another table has its name, or this role may not write to it.
        """
        names = [lock_statements.LOCK, self._schema]
        # Checked by every run: another role may have changed or replaced the table since the last.
        try:
            rows = self._query(lock_statements.TABLE_CHECK, [lock_statements.shape(), *names])
            if not rows:
                self._create()
                rows = self._query(lock_statements.TABLE_CHECK, [lock_statements.shape(), *names])
            status = TableStatus(*rows[0])
            self._table_id = status.table_id
            self._check(status)
            if status.is_owned:
                for (role,) in self._query(lock_statements.UNEXPECTED_WRITERS, names):
                    self._query(lock_statements.restrict(self._lock, role), [])
        except psycopg2.Error as error:
            raise to_database_error(error, f"preparing the lock {self.name}") from None

    def _create(self) -> None:
        with contextlib.suppress(*CREATED_CONCURRENTLY):
            self._query(lock_statements.create(self._lock), [])

    def _check(self, status: TableStatus) -> None:
        if status.problem is not None:
            raise DatabaseError(
                f"{self.name} {status.problem}: it is not the table that this target creates for "
                "its lock. Nothing was written. Find out who changed it, then remove it (DROP "
                f"TABLE {self.name}) and run again."
            )
        if not status.may_write:
            raise DatabaseError(
                f"The role may not write to {self.name}, which belongs to the role "
                f"{status.owner}. Run the target as that role, or grant this one SELECT, INSERT "
                "and UPDATE on it."
            )

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            BusyError: Another run holds it, or its last transaction has not ended.
        """
        try:
            # Checked first, because taking the lock waits while the holder's transaction is open.
            self._raise_if_held()
            if not self._query(lock_statements.take(self._lock), self._identity()):
                self._raise_if_held()
                raise BusyError(f"Another run has just taken the lock {self.name}. Run again.")
        except psycopg2.errors.LockNotAvailable:
            raise BusyError(
                f"The last transaction of an earlier run into the dataset schema {self._schema} "
                f"has not ended{self.describe_blocker(lock_statements.LOCK)}. Nothing was written. "
                "Wait until it has, then run again."
            ) from None
        except psycopg2.Error as error:
            raise to_database_error(error, f"taking the lock {self.name}") from None

    def _identity(self) -> list[Any]:
        ((pid, started, role_id, program, role),) = self._query(lock_statements.IDENTITY, [])
        return [self._token, pid, started, role_id, program, role, self._table_id]

    def _raise_if_held(self) -> None:
        for pid, program, role, since, is_alive in self._query(
            lock_statements.holder(self._lock), []
        ):
            if is_alive:
                raise BusyError(
                    f"The dataset schema {self._schema} is being loaded by "
                    f"{_describe_session(pid, program, role, since)}. Nothing was written. Wait "
                    "until that run has ended, then run again."
                )

    @property
    def fence(self) -> tuple[Composable, list[Any]]:
        """Return the statement that begins a transaction exclusive to the lock's holder."""
        return lock_statements.fence(self._lock), [self._token]

    def lost_error(self) -> BusyError:
        """Return the error for a transaction that finds the token of another run in the row."""
        try:
            self._raise_if_held()
        except BusyError as error:
            return error
        except (psycopg2.Error, DatabaseError):
            self.close()  # the other run cannot be named
        return BusyError(
            f"The connection that held the lock {self.name} was lost, and another run has loaded "
            "the dataset schema since. What was committed stays. Run again; it resumes at the last "
            "STATE."
        )

    def renew(self) -> tuple[Composable, list[Any]]:
        """Reopen the lock's connection; return the statement that records it in a transaction."""
        self.connect()
        token, pid, started, role_id, *_ = self._identity()
        return lock_statements.renew(self._lock), [pid, started, role_id, token]

    def ensure_open(self) -> None:
        """Reopen the lock's connection if it was lost."""
        try:
            self._query("SELECT 1", [])
        except (psycopg2.Error, DatabaseError):
            self.connect()

    def describe_blocker(self, table: str | None, waiting: int = 0) -> str:
        """Return a description of a session whose lock a statement has waited for in vain.

        Args:
            table: The table that the statement needs exclusively; None: any, and readers do not
                count.
            waiting: The server process of the connection that waited.
        """
        values = [self._schema, [self._backend, waiting], table, table]
        try:
            sessions = self._query(lock_statements.BLOCKERS, values)
        except (psycopg2.Error, DatabaseError):
            return ""
        return f", held by {_describe_session(*sessions[0])}" if sessions else ""

    def reject_pooler(self, connection: extensions.connection, backend: int) -> None:
        """Reject a pooler that shares server sessions between clients.

        Raises:
            DatabaseError: The connections do not keep their server sessions.
        """
        if connection.info.backend_pid == backend:
            return
        if backend == self._backend or not self._keeps_sessions(connection, backend):
            raise DatabaseError(
                f"At {display_address(self._settings)} a pooler answers in transaction or "
                "statement mode, in which no lock would hold. Use the address of Postgres itself, "
                "or of a pool in session mode."
            )

    def _keeps_sessions(self, connection: extensions.connection, backend: int) -> bool:
        """Return whether each of the two connections still has its own server session."""
        # During a transaction: only then must a pooler give each connection a session.
        try:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT pg_backend_pid()")
                seen = cursor.fetchone()
                now = self._query("SELECT pg_backend_pid()", [])
                cursor.execute("ROLLBACK")
        except (psycopg2.Error, DatabaseError):
            return False  # the pool cannot serve both connections at once
        return seen == (backend,) and now == [(self._backend,)]

    def release(self) -> None:
        """Release the lock at once, not when the server notices that the session has ended."""
        with contextlib.suppress(psycopg2.Error, DatabaseError):
            self._query(lock_statements.release(self._lock), [self._token])
        self.close()

    def close(self) -> None:
        """Close the lock's connection."""
        if self._connection is not None:
            connections.close(self._connection)
            self._connection = None


def _describe_session(pid: int, program: str | None, role: str | None, since: Any) -> str:
    """Describe a session, with the details that this role may see."""
    text = f"process {pid} of the server ({program or 'unnamed'}"
    text += f", role {role}" if role else ""
    return text + (f", connected since {since:%Y-%m-%d %H:%M:%S} UTC)" if since else ")")
