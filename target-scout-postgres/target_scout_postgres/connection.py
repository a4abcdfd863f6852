"""Connections to Postgres: how they are opened, and what messages may say of where they lead.

Knows the settings and the server; knows no streams.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.extensions
from psycopg2.sql import Composed, Identifier

from target_scout_postgres import statements
from target_scout_postgres.errors import DatabaseError, SettingsError, remedy

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - a type
    from psycopg2.sql import Composable

    from target_scout_postgres.settings import Settings

DRIVER = re.compile(r"\A(postgres(?:ql)?)\+\w+(?=://)")
# A URL of which no part can be another one's: nothing is escaped, nothing stands where it need not.
PLAIN_URL = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://(?:[^\s@/?#:]+(?::[^\s@/?#]*)?@)?"
    r"(?P<host>[\w.-]+)(?::(?P<port>\d{1,5}))?(?:/(?P<database>[\w.-]*))?"
    r"(?:\?(?:sslmode|connect_timeout|application_name)=[\w.-]*)?",
    re.ASCII,
)

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
    except (psycopg2.ProgrammingError, ValueError, TypeError):  # of libpq, and of its wrapper
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
    return DRIVER.sub(r"\1", url, count=1)


def address(settings: Settings) -> str:
    """Return host, port and database of the server, without anything that may be of a password.

    An unescaped character in a password moves the borders of a URL's parts: only a URL that can be
    read in one way is shown.
    """
    if not settings.database_url:
        shown = f"{settings.host}:{settings.port}/{settings.database}"
        return shown if shown.isprintable() else "the given server"
    found = PLAIN_URL.fullmatch(settings.database_url)
    if found is None or not _is_read_so(settings.database_url, found.groupdict()):
        return "the server of database_url"
    host, port, database = found.group("host", "port", "database")
    return host + (f":{port}" if port else "") + (f"/{database}" if database else "")


def _is_read_so(url: str, parts: dict[str, str | None]) -> bool:
    """Return whether libpq takes the same parts of a URL for host, port and database."""
    try:
        found = psycopg2.extensions.parse_dsn(_plain_scheme(url))
    except psycopg2.Error:
        return False
    names = {"host": "host", "port": "port", "database": "dbname"}
    return all(found.get(theirs) == (parts[ours] or None) for ours, theirs in names.items())


def prepare(connection: Connection, settings: Settings) -> int:
    """Make the session's settings; return the server process that serves it."""
    if connection.server_version < statements.OLDEST_SERVER:
        raise DatabaseError("The server is older than PostgreSQL 14. Use a newer one.")
    with connection.cursor() as cursor:
        cursor.execute(statements.SESSION, [max(int(settings.lock_wait_seconds * 1000), 1)])
        return int(cursor.fetchone()[0])  # type: ignore[index]  # one row, always


def with_values(statement: str | Composable, cursor: Any) -> str:
    """Return a statement that goes with values: a percent sign in a name is not a placeholder."""
    if isinstance(statement, str):
        return statement
    if isinstance(statement, Composed):
        return "".join(with_values(part, cursor) for part in statement.seq)
    text = str(statement.as_string(cursor))
    return text.replace("%", "%%") if isinstance(statement, Identifier) else text


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
