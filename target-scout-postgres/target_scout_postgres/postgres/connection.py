"""Opens and configures connections to Postgres, and explains why one was refused.

Depends on the settings and the server, not on streams.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.extensions
from psycopg2.sql import Composed, Identifier

from target_scout_postgres.errors import DatabaseError, SettingsError, remedy
from target_scout_postgres.postgres import statements

if TYPE_CHECKING:
    from psycopg2 import extensions
    from psycopg2.sql import Composable

    from target_scout_postgres.settings import Settings

DRIVER = re.compile(r"\A(postgres(?:ql)?)\+\w+(?=://)")
# An unambiguous URL: no escapes, no unusual characters.
PLAIN_URL = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://(?:[^\s@/?#:]+(?::[^\s@/?#]*)?@)?"
    r"(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?:/(?P<database>[\w.-]*))?"
    r"(?:\?(?:sslmode|connect_timeout|application_name)=[\w.-]*)?",
    re.ASCII,
)

APPLICATION = "target-scout-postgres"
TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")

# A dead peer is noticed within about two minutes, and idle limits of firewalls are not reached.
KEEPALIVE = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 120_000,
}

LOGIN = "does not answer, or refuses the login"
TLS_FILES = "Check the settings sslrootcert, sslcert and sslkey."
VERIFY_FAILED = "certificate verify failed"

# Part of libpq's message (it has no error code), what it means, what to do. The first match wins:
# with sslmode prefer the message describes two attempts.
REFUSED = (
    (
        "does not support SSL",
        "has no TLS",
        "Enable it there (ssl = on), or set sslmode to disable on a trusted network.",
    ),
    (
        "does not match host name",
        "presents a certificate of another host",
        "Set host to a host name of the certificate, or have one issued for this host name.",
    ),
    (
        'root certificate file "',
        "cannot be verified: sslrootcert holds no CA certificate",
        "Set sslrootcert to the file of the CA certificate, or to system.",
    ),
    (
        "weak sslmode",
        "cannot be verified: sslrootcert=system requires sslmode=verify-full",
        "Set sslmode to verify-full.",
    ),
    (
        "requires a valid client certificate",
        "requires a client certificate",
        "Set sslcert and sslkey; a CA that the server trusts must have signed it.",
    ),
    (
        "alert unknown ca",
        "does not trust the client certificate",
        "Set sslcert to one that a CA of the server's ssl_ca_file has signed.",
    ),
    (
        "alert certificate expired",
        "rejects the client certificate, which has expired",
        "Have the certificate of sslcert renewed.",
    ),
    (
        "certificate authentication failed",
        "rejects the client certificate, which is of another role",
        "Set user to the role that the certificate of sslcert names.",
    ),
    ("key values mismatch", "was not asked: sslkey is not the key of sslcert", TLS_FILES),
    (
        "private key file",
        "was not asked: sslkey cannot be used",
        f"{TLS_FILES} Only its owner may read the key.",
    ),
    ("certificate file", "was not asked: sslcert cannot be read", TLS_FILES),
    ("invalid response to SSL negotiation", "is not a Postgres server", "Check host and port."),
    (
        "no encryption",
        "does not accept this role without TLS",
        "Set sslmode to verify-full (with sslrootcert) or require, or change pg_hba.conf there.",
    ),
    ("pg_hba.conf", LOGIN, "Let the server's pg_hba.conf admit this role from this host."),
    ("password authentication failed", LOGIN, "Check the settings user and password."),
    ("no password supplied", LOGIN, "Give the setting password."),
    ("permission denied for database", LOGIN, "Grant the role CONNECT on the database."),
    ('role "', LOGIN, "Check the setting user: that role does not exist."),
    ('database "', LOGIN, "Check the setting database: it does not exist."),
    (
        "could not translate host name",
        LOGIN,
        "Check the setting host: it cannot be resolved.",
    ),
    ("too many clients", LOGIN, remedy("53300")),
    ("remaining connection slots", LOGIN, remedy("53300")),
    ("starting up", LOGIN, "Wait until the server has started, then run again."),
    (
        "SSL error",
        "and this machine agree on no TLS connection",
        f"Check the setting sslmode. {TLS_FILES}",
    ),
    ("", LOGIN, "Check that the server runs there and can be reached from here."),
)


def connect(settings: Settings) -> extensions.connection:
    """Open a connection in autocommit mode.

    Raises:
        SettingsError: database_url cannot be read.
        DatabaseError: The server does not answer, or refuses the login.
    """
    try:
        opened: extensions.connection = psycopg2.connect(**_arguments(settings))
    except (psycopg2.ProgrammingError, ValueError, TypeError):  # of libpq, and of its wrapper
        raise SettingsError(
            "The setting database_url cannot be read: write "
            "postgresql://user:password@host:port/database."
        ) from None
    except psycopg2.OperationalError as error:
        what, todo = _explain(str(error), settings)
        raise DatabaseError(f"Postgres at {display_address(settings)} {what}. {todo}") from None
    opened.autocommit = True
    return opened


def _explain(text: str, settings: Settings) -> tuple[str, str]:
    """Return what libpq's message means, and what to do."""
    if VERIFY_FAILED in text:
        from target_scout_postgres.postgres import tls_diagnosis  # start-up: ssl is large

        dsn = psycopg2.extensions.make_dsn(**_arguments(settings))
        return tls_diagnosis.explain_rejection(psycopg2.extensions.parse_dsn(dsn))
    return next((what, todo) for words, what, todo in REFUSED if words in text)


def _arguments(settings: Settings) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(KEEPALIVE)
    if settings.database_url:
        dsn = _plain_scheme(settings.database_url)
        given = psycopg2.extensions.parse_dsn(dsn)
        arguments = {name: value for name, value in KEEPALIVE.items() if name not in given}
        arguments["dsn"] = dsn
    else:
        names = ("host", "port", "user", "password")
        arguments |= {name: getattr(settings, name) for name in names if getattr(settings, name)}
        arguments["dbname"] = settings.database
    # Sessions that wait for the lock of a dataset schema find its holder by this name.
    arguments["application_name"] = APPLICATION
    return arguments | {name: getattr(settings, name) for name in TLS if getattr(settings, name)}


def _plain_scheme(url: str) -> str:
    """Return the URL without the driver name of SQLAlchemy, which libpq does not accept."""
    return DRIVER.sub(r"\1", url, count=1)


def display_address(settings: Settings) -> str:
    """Return host, port and database of the server, never a part of a password.

    An unescaped character in a password shifts the parts of a URL: only a URL that can be read in
    one way is shown.
    """
    if not settings.database_url:
        host = settings.host or ""
        host = f"[{host}]" if ":" in host else host
        shown = f"{host}:{settings.port}/{settings.database}"
        return shown if shown.isprintable() else "the given server"
    match = PLAIN_URL.fullmatch(settings.database_url)
    if match is None or not _libpq_agrees(settings.database_url, match.groupdict()):
        return "the server of database_url"
    host, port, database = match.group("host", "port", "database")
    return host + (f":{port}" if port else "") + (f"/{database}" if database else "")


def _libpq_agrees(url: str, parts: dict[str, str | None]) -> bool:
    """Return whether libpq reads the same host, port and database from a URL."""
    try:
        parsed = psycopg2.extensions.parse_dsn(_plain_scheme(url))
    except psycopg2.Error:
        return False
    names = {"host": "host", "port": "port", "database": "dbname"}
    shown = {**parts, "host": (parts["host"] or "").strip("[]")}
    return all(parsed.get(theirs) == (shown[ours] or None) for ours, theirs in names.items())


def configure(connection: extensions.connection, settings: Settings) -> int:
    """Set the session up; return the process id of its server process."""
    if connection.server_version < statements.OLDEST_SERVER:
        raise DatabaseError("The server is older than PostgreSQL 14. Use a newer one.")
    with connection.cursor() as cursor:
        cursor.execute(statements.SESSION, [max(int(settings.lock_wait_seconds * 1000), 1)])
        return int(cursor.fetchone()[0])  # type: ignore[index]  # always one row


def escape_names(statement: str | Composable, cursor: Any) -> str:
    """Return a statement to run with values: percent signs in names are no placeholders."""
    if isinstance(statement, str):
        return statement
    if isinstance(statement, Composed):
        return "".join(escape_names(part, cursor) for part in statement.seq)
    text = str(statement.as_string(cursor))
    return text.replace("%", "%%") if isinstance(statement, Identifier) else text


def close(connection: extensions.connection) -> None:
    """Close a connection in any state."""
    try:
        connection.close()
    except psycopg2.Error:
        return
