"""The embedded Postgres: a real server from a Python wheel, for the demo, the tests and first use.

It listens on a Unix socket in a directory that no other account may enter, and on a port of this
machine only if it is told to, for readers that cannot use a socket. Control logs in as
``scout``, with a password from a file of mode 0600 beside the data; the superuser creates that role
once and cannot log in afterwards. Under root, as which PostgreSQL refuses to run, the server runs
as ``nobody``. In production, use any PostgreSQL 14 or later by its URL.
"""

from __future__ import annotations

import fcntl
import socket
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from scout_control.errors import ConflictError
from scout_control.installation.embedded_postgres import programs, server
from scout_control.installation.embedded_postgres.cluster import Cluster
from scout_control.installation.embedded_postgres.roles import (
    SCOUT,
    SUPERUSER,
    create_scout,
    set_superuser_password,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAINTENANCE = "postgres"
LINGERING_SECONDS = 10.0
SESSIONS = """
    SELECT application_name, pid FROM pg_catalog.pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()
"""


def start(data: Path, *, durable: bool = True, as_superuser: bool = False) -> str:
    """Start the server of a data directory, created if missing, and return its URL.

    The server keeps running when this process ends; ``stop`` stops it.

    Args:
        data: The data directory.
        durable: False is faster, but a power failure may corrupt the data: for tests.
        as_superuser: Return the URL of the superuser instead of ``scout``: for tests.

    Raises:
        ServerError: The directory cannot be created or used, or the server does not start.
    """
    cluster = Cluster.at(data)
    role = SUPERUSER if as_superuser else SCOUT
    with _lock(cluster):
        # Also a login for the other role: a directory of an earlier version, or of the tests.
        if not cluster.exists or (cluster.login or ("",))[0] != role:
            _prepare(cluster, role, durable=durable)
        elif not server.becomes_ready(cluster):
            cluster.check()
            server.launch(cluster, durable=durable)
    return url(data)


def stop(data: Path) -> bool:
    """Stop the server of a data directory; return whether it was running."""
    cluster = Cluster.at(data)
    if not cluster.data.parent.is_dir():
        return False
    with _lock(cluster):
        was_running = server.stop(cluster)
        if server.pid_of(cluster) is None:
            server.remove_sockets(cluster)
            programs.remove_copies(cluster.log)
        return was_running


def stop_unless_used(data: Path) -> list[str]:
    """Stop the server of a data directory unless others have sessions; return who they are.

    Sessions of processes that have just ended are given a moment to end, too.
    """
    deadline = time.monotonic() + LINGERING_SECONDS
    while users := _users(data):
        if time.monotonic() > deadline:
            return users
        time.sleep(0.1)
    stop(data)
    return []


def listen(data: Path, port: int | None) -> None:
    """Let the server of a data directory listen on a port of this machine from its next start.

    Args:
        data: The data directory; its server is stopped.
        port: The port of 127.0.0.1; None for the socket only.

    Raises:
        ConflictError: Others use the server, or the port is taken.
    """
    cluster = Cluster.at(data)
    if cluster.port == port:
        return
    if port is not None and _is_taken(port):
        raise ConflictError(f"The port {port} of this machine is in use.", "Choose another one.")
    if users := stop_unless_used(data):
        raise ConflictError(
            f"Others use the embedded Postgres: {', '.join(users)}.",
            "End these programs, then run this again: the server has to be restarted.",
        )
    with _lock(cluster):
        cluster.set_port(port)


def reader_address(data: Path) -> tuple[str, int] | None:
    """Return the host and port on which readers reach the server; None for its socket only."""
    port = Cluster.at(data).port
    return (server.LOOPBACK, port) if port else None


def _is_taken(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex((server.LOOPBACK, port)) == 0


def is_running(data: Path) -> bool:
    """Return whether the server of a data directory accepts connections."""
    return server.accepts_connections(Cluster.at(data))


def url(data: Path, database: str = MAINTENANCE) -> str:
    """Return the URL of a server that was started before, with the password."""
    cluster = Cluster.at(data)
    user, password = cluster.login or (SCOUT, "")
    login = f"{user}:{quote(password, safe='')}"
    return f"postgresql://{login}@/{quote(database, safe='')}?{_where(cluster)}"


def url_to_show(data: Path, database: str = MAINTENANCE) -> str:
    """Return a URL for libpq programs that names the password file instead of the password."""
    cluster = Cluster.at(data)
    user, _ = cluster.login or (SCOUT, "")
    options = f"{_where(cluster)}&passfile={quote(str(cluster.passfile))}"
    return f"postgresql://{user}@/{quote(database, safe='')}?{options}"


def _where(cluster: Cluster) -> str:
    port = f"&port={cluster.port}" if cluster.port else ""
    return f"host={quote(str(cluster.sockets))}{port}"


def psql() -> Path:
    """Return the path of the ``psql`` that is installed with the server."""
    return programs.bundled_programs() / "psql"


def create_database(server_url: str, name: str) -> str:
    """Create a database if it does not exist, and return its URL."""
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    # UniqueViolation: another process is creating it at the same time.
    exists = suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)
    with psycopg.connect(server_url, autocommit=True) as connection, exists:
        connection.execute(statement)
    return urlunsplit(urlsplit(server_url)._replace(path="/" + quote(name, safe="")))


def _users(data: Path) -> list[str]:
    """Return the programs that have sessions in the server of a data directory."""
    if not is_running(data):
        return []
    try:
        with psycopg.connect(url(data), autocommit=True, connect_timeout=10) as connection:
            rows = connection.execute(SESSIONS).fetchall()
    except psycopg.OperationalError:
        return []  # it is stopping, or its password file is lost: nothing can be asked
    return [f"{program or 'a program'} (session {pid})" for program, pid in rows]


def _prepare(cluster: Cluster, role: str, *, durable: bool) -> None:
    """Create the data directory, or convert one of an earlier version; create a login for ``role``.

    The login is written last: after an interruption the next start repeats everything.
    """
    cluster.check()
    server.stop(cluster)  # the password of the superuser is set in single-user mode
    cluster.passfile.unlink(missing_ok=True)
    if not cluster.exists:
        server.initdb(cluster)
    password = set_superuser_password(cluster)
    server.launch(cluster, durable=durable)
    if role == SCOUT:
        password = create_scout(cluster, password)
    cluster.write_login(role, password)


@contextmanager
def _lock(cluster: Cluster) -> Iterator[None]:
    """Allow one process at a time to start or stop a server."""
    cluster.data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with cluster.beside("lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
