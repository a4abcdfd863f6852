"""The writing connection: its transactions, its statements, and reopening it when it was lost idle.

A transaction is open only from the first statement of a checkpoint to its commit. Independent of
streams.
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
from target_scout_postgres.errors import DatabaseError, is_connection_lost, to_database_error
from target_scout_postgres.postgres import connection as connections
from target_scout_postgres.postgres.dataset_lock import DatasetLock
from target_scout_postgres.postgres.lock_statements import LOCK

if TYPE_CHECKING:
    from psycopg2 import extensions

    from target_scout_postgres.settings import Settings

REOPEN_WAITS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds; a server restarts within their sum
HEADER = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
TRAILER = b"\xff\xff"
COPY_CHUNK_BYTES = 1 << 20  # for each chunk the writer must get the GIL from the parsing thread
LOCK_WAIT_MILLISECONDS = 500  # while a statement waits for readers, new readers queue behind it


class Session:
    """The writing connection of a run."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = DatasetLock(settings)
        self.in_transaction = False
        self._connection: extensions.connection | None = None

    def connect(self) -> None:
        """Open the writing connection and that of the lock."""
        self.lock.connect()
        self._connect()

    def take_lock(self) -> None:
        """Take the lock of the dataset schema."""
        self.lock.prepare()
        self.lock.acquire()

    def close(self) -> None:
        """Close both connections; an open transaction is rolled back."""
        if self._connection is not None:
            connections.close(self._connection)
        self.lock.release()

    def _connect(self) -> None:
        if self._connection is not None:
            connections.close(self._connection)
        self._connection = connections.connect(self.settings)
        try:
            backend = connections.configure(self._connection, self.settings)
        except psycopg2.Error as error:
            raise to_database_error(error, "opening a session") from None
        self.lock.reject_pooler(self._connection, backend)

    @property
    def connection(self) -> extensions.connection:
        """Return the open connection."""
        if self._connection is None:
            raise DatabaseError("The connection to Postgres is closed.")
        return self._connection

    def begin(self, *, may_reopen: bool = True) -> None:
        """Open a transaction unless one is open; a connection that was lost idle is reopened."""
        if self.in_transaction:
            return
        try:
            self._begin()
        except psycopg2.Error as error:
            if not (may_reopen and is_connection_lost(error)):
                raise self.to_error(error, "beginning a transaction", LOCK) from None
            self._reopen()
        self.in_transaction = True

    def _begin(self) -> None:
        """Open a transaction that excludes those of other runs.

        Raises:
            BusyError: Another run has taken the lock since.
        """
        rows = self.run(*self.lock.fence)
        if not rows:
            raise self.lock.lost_error()
        if not rows[0][0]:  # without a live session, the next run could take the lock
            logs.warning("the connection of the lock was lost; reopening it")
            self.run(*self.lock.renew())

    def _reopen(self) -> None:
        # Nothing is lost: this happens only between two transactions.
        failure = DatabaseError("The connection to Postgres is closed.")
        logs.warning("the idle connection to Postgres was lost; reopening it")
        for wait in REOPEN_WAITS:
            time.sleep(wait)
            try:
                self.lock.ensure_open()
                self._connect()
                self._begin()
            except DatabaseError as error:
                failure = error
            except psycopg2.Error as error:
                failure = to_database_error(error, "reopening the connection")
            else:
                return
        raise failure from None

    def commit(self) -> None:
        """Commit the open transaction, if any."""
        if self.in_transaction:
            self.execute("COMMIT", doing="committing")
            self.in_transaction = False

    def rollback(self) -> None:
        """Roll the open transaction back, if any; a lost connection has done so."""
        if self.in_transaction and self._connection is not None:
            self.in_transaction = False
            try:
                self.run("ROLLBACK")
            except psycopg2.Error:
                return

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo the block if it fails, without ending the transaction."""
        self.run("SAVEPOINT part")
        try:
            yield
        except psycopg2.Error as error:
            if is_connection_lost(error):  # rolling back would hide this error behind another
                raise
            self.run("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
            raise
        self.run("RELEASE SAVEPOINT part")

    @contextmanager
    def ddl_transaction(self) -> Iterator[None]:
        """Run the block in a separate transaction, for DDL on a table that others read.

        It waits for a lock only for a short time, so that readers never queue behind it for long.
        """
        self.commit()  # its locks would be held while this one waits
        self.begin()
        self.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MILLISECONDS}")
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit()

    def run(self, statement: str | Composable, values: Sequence[Any] | None = None) -> Any:
        """Run a statement; return its rows, or how many it changed. Raises psycopg2's errors."""
        with self.connection.cursor() as cursor:
            if values is not None:
                statement = connections.escape_names(statement, cursor)
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
            values: Those of its placeholders.
            doing: What an error message says was being done.
            table: The table that it locks exclusively, readers included.

        Raises:
            DatabaseError: Postgres failed.
        """
        try:
            return self.run(statement, values)
        except psycopg2.Error as error:
            raise self.to_error(error, doing, table) from None

    def to_error(
        self, error: psycopg2.Error, doing: str, table: str | None = None
    ) -> DatabaseError:
        """Return the error to raise; after a lock timeout it names the session that blocks."""
        if not isinstance(error, psycopg2.errors.LockNotAvailable) or self._connection is None:
            return to_database_error(error, doing)
        blocker = self.lock.describe_blocker(table, self._connection.info.backend_pid)
        return DatabaseError(
            f"Postgres could not lock what it needed within {self.settings.lock_wait_seconds:g} "
            f"seconds while {doing}{blocker}. What was committed stays. End that session's "
            "transaction, or raise lock_wait_seconds; then run again, it resumes at the last STATE."
        )

    def run_in_savepoint(
        self, statement: str | Composable, values: Sequence[Any] | None = None
    ) -> Any:
        """Run a statement inside a savepoint. Raises psycopg2's errors."""
        with self.savepoint():
            return self.run(statement, values)

    def copy_in(self, statement: Composable, rows: Iterable[bytes]) -> None:
        """COPY rows in binary format in. Raises psycopg2's errors."""
        with self.connection.cursor() as cursor:
            cursor.copy_expert(statement, _CopyFile(rows), COPY_CHUNK_BYTES)

    def copy_out(
        self, statement: Composable, *, doing: str = "reading"
    ) -> list[list[bytes | None]]:
        """COPY rows in binary format out; return the fields of each.

        Raises:
            DatabaseError: Postgres failed.
        """
        text = io.BytesIO()
        try:
            with self.connection.cursor() as cursor:
                cursor.copy_expert(statement, text, COPY_CHUNK_BYTES)
        except psycopg2.Error as error:
            raise self.to_error(error, doing) from None
        return list(_split_rows(text.getbuffer()))


def _split_rows(text: memoryview) -> Iterator[list[bytes | None]]:
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


class _CopyFile:
    """Rows as the file object that copy_expert reads."""

    def __init__(self, rows: Iterable[bytes]) -> None:
        self._text = memoryview(b"".join((HEADER, *rows, TRAILER)))
        self._at = 0

    def read(self, size: int = COPY_CHUNK_BYTES, /) -> bytes:
        """Return the next bytes; empty at the end."""
        at = self._at
        self._at = at + size
        return bytes(self._text[at : at + size])

    def readline(self, size: int = COPY_CHUNK_BYTES, /) -> bytes:
        """Return the next bytes: psycopg2 requires the method, binary COPY has no lines."""
        return self.read(size)
