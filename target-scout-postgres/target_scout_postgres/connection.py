"""Connections to Postgres: how they are opened, and the lock that keeps a run alone.

Knows the settings and the server; knows no streams.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import psycopg2
import psycopg2.extensions

from target_scout_postgres import statements
from target_scout_postgres.errors import BusyError, DatabaseError, SettingsError, refusal, remedy

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - a type

    from target_scout_postgres.settings import Settings

TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")

# A peer that is gone is noticed within about two minutes; a firewall's idle limit is not met.
KEEPALIVE = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 120_000,
}

# What libpq says (it has no code for a refused login before version 17), and what to do.
REFUSED = (
    ("password authentication failed", "Check the settings user and password."),
    ("no password supplied", "Give the setting password."),
    ("permission denied for database", "Grant the role CONNECT on the database."),
    ('role "', "Check the setting user: the server does not know that role."),
    ('database "', "Check the setting database: the server does not have it."),
    ("SSL", "Check the settings sslmode, sslrootcert, sslcert and sslkey."),
    ("certificate", "Check the settings sslmode, sslrootcert, sslcert and sslkey."),
    ("pg_hba.conf", "Let the server's pg_hba.conf admit this role from this host."),
    ("could not translate host name", "Check the setting host: no such name is known."),
    ("too many clients", remedy("53300")),
    ("remaining connection slots", remedy("53300")),
    ("starting up", "Wait until the server has started, then run again."),
    ("", "Check that the server runs there and can be reached from here."),
)


def connect(settings: Settings) -> Connection:
    """Open a connection in autocommit mode, with the session's settings made.

    Raises:
        SettingsError: database_url cannot be read.
        DatabaseError: The server does not answer, or refuses the login.
    """
    try:
        opened: Connection = psycopg2.connect(**_arguments(settings))
    except psycopg2.ProgrammingError:
        raise SettingsError(
            "The setting database_url cannot be read: write "
            "postgresql://user:password@host:port/database."
        ) from None
    except psycopg2.OperationalError as error:
        text = str(error)
        todo = next(todo for words, todo in REFUSED if words in text)
        raise DatabaseError(
            f"Postgres at {address(settings)} does not answer, or refuses the login. {todo}"
        ) from None
    opened.autocommit = True
    return opened


def _arguments(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = dict(KEEPALIVE)
    found["application_name"] = "target-scout-postgres"
    if settings.database_url:
        found["dsn"] = _plain_scheme(settings.database_url)
    else:
        parts = ("host", "port", "user", "password")
        found |= {name: getattr(settings, name) for name in parts if getattr(settings, name)}
        found["dbname"] = settings.database
    return found | {name: getattr(settings, name) for name in TLS if getattr(settings, name)}


def _plain_scheme(url: str) -> str:
    """Return the URL without SQLAlchemy's name of a driver, which libpq does not know."""
    scheme, found, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{found}{rest}"


def address(settings: Settings) -> str:
    """Return host, port and database, without the login."""
    if not settings.database_url:
        return f"{settings.host}:{settings.port}/{settings.database}"
    try:
        parts = urlsplit(settings.database_url)
        host = parts.netloc.rpartition("@")[2]
        host = host or parse_qs(parts.query).get("host", ["the local socket"])[0]
    except ValueError:
        return "the address of database_url"
    return f"{host}{parts.path}" if parts.scheme.startswith("postgres") else "the given address"


def prepare(connection: Connection) -> int:
    """Make the session's settings; return the server process that serves it."""
    if connection.server_version < statements.OLDEST_SERVER:
        raise DatabaseError("The server is older than PostgreSQL 14. Use a newer one.")
    with connection.cursor() as cursor:
        cursor.execute(statements.SESSION)
        return int(cursor.fetchone()[0])  # type: ignore[index]  # one row, always


class DatasetLock:
    """The session lock that keeps a run alone in its dataset schema, on a connection of its own.

    The server releases it when the connection ends, also after SIGKILL.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.key = statements.LOCK_KEY + settings.default_target_schema
        self._connection: Connection | None = None
        self._backend = 0

    def connect(self) -> None:
        """Open the lock's connection."""
        self.release()
        self._connection = connect(self._settings)
        try:
            self._backend = prepare(self._connection)
        except psycopg2.Error as error:
            raise refusal(error, "opening a session") from None

    def acquire(self) -> None:
        """Take the lock, or say who holds it.

        Raises:
            BusyError: Another run holds it.
        """
        if self._connection is None:
            self.connect()
        try:
            with self._opened().cursor() as cursor:
                cursor.execute(statements.TRY_LOCK, [self.key])
                if cursor.fetchone()[0]:  # type: ignore[index]  # one row, always
                    return
                cursor.execute(statements.HOLDER, [self.key])
                holder = cursor.fetchone()
        except psycopg2.Error as error:
            raise refusal(error, "taking the lock of the dataset schema") from None
        raise BusyError(self._held_by(holder))

    def _opened(self) -> Connection:
        if self._connection is None:
            raise DatabaseError("The connection of the lock is closed.")
        return self._connection

    def _held_by(self, holder: tuple[Any, ...] | None) -> str:
        who = "another session"
        if holder and holder[0] is not None:
            pid, program, role, since = holder
            who = f"process {pid} of the server ({program or 'unnamed'}"
            who += f", role {role}" if role else ""
            who += f", connected since {since:%Y-%m-%d %H:%M:%S} UTC)" if since else ")"
        return (
            f"The dataset schema {self._settings.default_target_schema} is being loaded by {who}. "
            "Nothing was written. Wait until that run has ended, then run again."
        )

    def check(self, connection: Connection) -> None:
        """Make sure that the lock is still held, asking over another connection of ours.

        Raises:
            BusyError: It was lost, and another run has it now.
        """
        try:
            with connection.cursor() as cursor:
                cursor.execute(statements.HOLDER, [self.key])
                holder = cursor.fetchone()
        except psycopg2.Error as error:
            raise refusal(error, "checking the lock of the dataset schema") from None
        if holder is None:
            self.connect()
            self.acquire()
        elif holder[0] is not None and holder[0] != self._backend:
            raise BusyError(self._held_by(holder))

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
        """Tell whether each of our two connections still has its own server session."""
        try:
            with connection.cursor() as cursor, self._opened().cursor() as other:
                cursor.execute("BEGIN")
                cursor.execute("SELECT pg_backend_pid()")
                seen = cursor.fetchone()
                other.execute("SELECT pg_backend_pid()")
                now = other.fetchone()
                cursor.execute("ROLLBACK")
        except psycopg2.Error:
            return False  # not even a transaction goes through
        return seen == (backend,) and now == (self._backend,)

    def release(self) -> None:
        """Let go of the lock."""
        if self._connection is not None:
            close(self._connection)
            self._connection = None


def close(connection: Connection) -> None:
    """Close a connection, whatever its state."""
    try:
        connection.close()
    except psycopg2.Error:
        return


def run_id() -> str:
    """Return the name of this run: control's, Meltano's, or a new one."""
    found = os.environ.get("SCOUT_RUN_ID") or os.environ.get("MELTANO_RUN_ID")
    if found:
        return found
    import uuid  # noqa: PLC0415 - start-up: needed only without a name from outside

    return str(uuid.uuid4())
