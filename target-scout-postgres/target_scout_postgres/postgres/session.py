"""The one connection that writes, its transactions, and how it is opened again when it died idle.

A transaction is open only from the first statement of a checkpoint to its commit. Knows no streams.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.sql import Composable

from target_scout_postgres import logs
from target_scout_postgres.errors import DatabaseError, is_lost, refusal
from target_scout_postgres.postgres import connection as connections
from target_scout_postgres.postgres.dataset_lock import DatasetLock
from target_scout_postgres.postgres.lock_statements import LOCK

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - a type

    from target_scout_postgres.settings import Settings

REOPEN_WAITS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds; a server restarts within these
HEADER = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
TRAILER = b"\xff\xff"
COPY_CHUNK_BYTES = 1 << 20  # each chunk waits for the parsing thread to let go of Python
LOCK_WAIT_MILLISECONDS = 500  # a statement that waits for readers makes new readers wait behind it


class Session:
    """The writing connection of a run."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = DatasetLock(settings)
        self.is_open = False  # a transaction
        self._connection: Connection | None = None

    def connect(self) -> None:
        """Open both connections."""
        self.lock.connect()
        self._connect()

    def take_lock(self) -> None:
        """Make the lock in the dataset schema, and take it."""
        self.lock.prepare()
        self.lock.acquire()

    def close(self) -> None:
        """End both connections; an open transaction is rolled back."""
        if self._connection is not None:
            connections.close(self._connection)
        self.lock.release()

    def _connect(self) -> None:
        if self._connection is not None:
            connections.close(self._connection)
        self._connection = connections.connect(self.settings)
        try:
            backend = connections.prepare(self._connection, self.settings)
        except psycopg2.Error as error:
            raise refusal(error, "opening a session") from None
        self.lock.refuse_pooler(self._connection, backend)

    @property
    def connection(self) -> Connection:
        """Return the open connection."""
        if self._connection is None:
            raise DatabaseError("The connection to Postgres is closed.")
        return self._connection

    # -- transactions -----------------------------------------------------------------------------

    def begin(self, *, may_reopen: bool = True) -> None:
        """Open a transaction unless one is open; a connection that died idle is opened again."""
        if self.is_open:
            return
        try:
            self._begin()
        except psycopg2.Error as error:
            if not (may_reopen and is_lost(error)):
                raise self.refusal(error, "beginning a transaction", LOCK) from None
            self._reopen()
        self.is_open = True

    def _begin(self) -> None:
        """Open a transaction in which this run is alone, and make sure that it still is later.

        Raises:
            BusyError: Another run has taken the lock since.
        """
        rows = self.run(*self.lock.fence)
        if not rows:
            raise self.lock.lost()
        if not rows[0][0]:
            logs.warning("the connection of the lock was lost; opening it again")
            self.run(*self.lock.renew())

    def _reopen(self) -> None:
        failure = DatabaseError("The connection to Postgres is closed.")
        logs.warning("the idle connection to Postgres was lost; opening it again")
        for wait in REOPEN_WAITS:
            time.sleep(wait)
            try:
                self.lock.ensure_open()
                self._connect()
                self._begin()
            except DatabaseError as error:
                failure = error
            except psycopg2.Error as error:
                failure = refusal(error, "opening the connection again")
            else:
                return
        raise failure from None

    def commit(self) -> None:
        """Commit; the transaction has kept every other run out since it began."""
        if self.is_open:
            self.execute("COMMIT", doing="committing")
            self.is_open = False

    def rollback(self) -> None:
        """Undo the open transaction; a lost connection has done so by itself."""
        if self.is_open and self._connection is not None:
            self.is_open = False
            try:
                self.run("ROLLBACK")
            except psycopg2.Error:
                return

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is inside when it fails, and go on with the transaction."""
        self.run("SAVEPOINT part")
        try:
            yield
        except psycopg2.Error as error:
            if is_lost(error):
                raise
            self.run("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
            raise
        self.run("RELEASE SAVEPOINT part")

    @contextmanager
    def brief(self) -> Iterator[None]:
        """A transaction of its own for statements that lock a table that others read.

        It waits for a lock only shortly at a time, so that readers never queue behind it for long.
        """
        self.commit()
        self.begin()
        self.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MILLISECONDS}")
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit()

    # -- statements -------------------------------------------------------------------------------

    def run(self, statement: str | Composable, values: Sequence[Any] | None = None) -> Any:
        """Run a statement; raise psycopg2's own error when it is refused."""
        with self.connection.cursor() as cursor:
            if values is not None:
                statement = connections.with_values(statement, cursor)
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def execute(
        self,
        statement: str | Composable,
        values: Sequence[Any] | None = None,
        *,
        doing: str = "writing",
        table: str | None = None,
    ) -> Any:
        """Run a statement; return its rows, or how many it changed.

        Args:
            statement: What to run.
            values: What its placeholders stand for.
            doing: What a message calls it.
            table: The table that it needs for itself alone, readers included.

        Raises:
            DatabaseError: Postgres refused it.
        """
        try:
            return self.run(statement, values)
        except psycopg2.Error as error:
            raise self.refusal(error, doing, table) from None

    def refusal(self, error: psycopg2.Error, doing: str, table: str | None = None) -> DatabaseError:
        """Say what the server refused; of a lock that was waited for in vain, who holds it."""
        if not isinstance(error, psycopg2.errors.LockNotAvailable) or self._connection is None:
            return refusal(error, doing)
        holder = self.lock.blocked_by(table, self._connection.info.backend_pid)
        return DatabaseError(
            f"Postgres could not lock what it needed within {self.settings.lock_wait_seconds:g} "
            f"seconds while {doing}{holder}. What was committed stays. End that session's "
            "transaction, or raise lock_wait_seconds; then run again, it resumes at the last STATE."
        )

    def attempt(self, statement: str | Composable, values: Sequence[Any] | None = None) -> Any:
        """Run a statement inside a savepoint; raise psycopg2's own error when it is refused."""
        with self.savepoint():
            return self.run(statement, values)

    def copy(self, statement: Composable, rows: Iterable[bytes]) -> None:
        """Copy rows of binary COPY in; raise psycopg2's own error when they are refused."""
        with self.connection.cursor() as cursor:
            cursor.copy_expert(statement, _Rows(rows), COPY_CHUNK_BYTES)

    def copy_out(
        self, statement: Composable, *, doing: str = "reading"
    ) -> list[list[bytes | None]]:
        """Copy rows of binary COPY out; return the fields of each.

        Raises:
            DatabaseError: Postgres failed.
        """
        text = io.BytesIO()
        try:
            with self.connection.cursor() as cursor:
                cursor.copy_expert(statement, text, COPY_CHUNK_BYTES)
        except psycopg2.Error as error:
            raise self.refusal(error, doing) from None
        return list(_rows(text.getbuffer()))


def _rows(text: memoryview) -> Iterator[list[bytes | None]]:
    at = len(HEADER)
    while (count := int.from_bytes(text[at : at + 2], "big", signed=True)) != -1:
        at += 2
        fields: list[bytes | None] = []
        for _ in range(count):
            size = int.from_bytes(text[at : at + 4], "big", signed=True)
            at += 4
            fields.append(None if size < 0 else bytes(text[at : at + size]))
            at += max(size, 0)
        yield fields


class _Rows:
    """Rows as the file that copy_expert reads."""

    def __init__(self, rows: Iterable[bytes]) -> None:
        self._text = memoryview(b"".join((HEADER, *rows, TRAILER)))
        self._at = 0

    def read(self, size: int = COPY_CHUNK_BYTES, /) -> bytes:
        """Return the next bytes; none at the end."""
        at = self._at
        self._at = at + size
        return bytes(self._text[at : at + size])

    def readline(self, size: int = COPY_CHUNK_BYTES, /) -> bytes:
        """Return the next bytes: binary COPY has no lines, the protocol wants the method."""
        return self.read(size)
