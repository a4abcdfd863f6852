"""The embedded Postgres: a real server from a Python wheel, for the demo, the tests and first use.

It listens on a unix socket only, in a directory that no other account may enter. Control logs in as
``scout``, by a password that is kept in a file of mode 0600 beside the data; the superuser makes
that role once and cannot log in afterwards. Started by root, which PostgreSQL refuses to run as, it
runs as ``nobody``. For everything else give a URL of any PostgreSQL from 14 on.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from scout_control.installation.embedded_postgres import programs, server
from scout_control.installation.embedded_postgres.cluster import Cluster
from scout_control.installation.embedded_postgres.roles import (
    SCOUT,
    SUPERUSER,
    make_scout,
    superuser_password,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAINTENANCE = "postgres"


def start(data: Path, *, durable: bool = True, as_superuser: bool = False) -> str:
    """Start the server whose files are in ``data`` (made when missing) and return its URL.

    The server keeps running when this process ends; ``stop`` ends it.

    Args:
        data: The data directory.
        durable: False lets a power cut spoil the files, and is faster: for tests.
        as_superuser: Return the URL of the superuser instead of ``scout``: for tests.

    Raises:
        ServerError: The files cannot be made or used, or the server does not start.
    """
    cluster = Cluster.at(data)
    role = SUPERUSER if as_superuser else SCOUT
    with _lock(cluster):
        if not cluster.is_made or (cluster.login or ("",))[0] != role:
            _prepare(cluster, role, durable=durable)
        elif not server.becomes_ready(cluster):
            cluster.check()
            server.launch(cluster, durable=durable)
    return url(data)


def stop(data: Path) -> bool:
    """Stop the server whose files are in ``data``; return whether one was running."""
    cluster = Cluster.at(data)
    if not cluster.data.parent.is_dir():
        return False
    with _lock(cluster):
        was_running = server.end(cluster)
        if server.pid_of(cluster) is None:
            server.remove_sockets(cluster)
            programs.forget(cluster.log)
        return was_running


def is_running(data: Path) -> bool:
    """Return whether the server whose files are in ``data`` answers."""
    return server.answers(Cluster.at(data))


def url(data: Path, database: str = MAINTENANCE) -> str:
    """Return the URL of a server that was started before; it holds the password."""
    cluster = Cluster.at(data)
    user, password = cluster.login or (SCOUT, "")
    login = f"{user}:{quote(password, safe='')}"
    return f"postgresql://{login}@/{quote(database, safe='')}?host={quote(str(cluster.sockets))}"


def url_to_show(data: Path, database: str = MAINTENANCE) -> str:
    """Return a URL for libpq's programs that names the file of the password instead of it."""
    cluster = Cluster.at(data)
    user, _ = cluster.login or (SCOUT, "")
    options = f"host={quote(str(cluster.sockets))}&passfile={quote(str(cluster.passfile))}"
    return f"postgresql://{user}@/{quote(database, safe='')}?{options}"


def psql() -> Path:
    """Return the path of the ``psql`` that came with the server."""
    return programs.of_the_wheel() / "psql"


def create_database(server_url: str, name: str) -> str:
    """Create a database if it is missing and return its URL."""
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    # The latter where another process makes it at the same time.
    exists = suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)
    with psycopg.connect(server_url, autocommit=True) as connection, exists:
        connection.execute(statement)
    return urlunsplit(urlsplit(server_url)._replace(path="/" + quote(name, safe="")))


def _prepare(cluster: Cluster, role: str, *, durable: bool) -> None:
    """Make the files, or take over those of an earlier version, and mint a login for ``role``.

    The login is written down last: whatever interrupts this, the next start does all of it again.
    """
    cluster.check()
    server.end(cluster)
    cluster.passfile.unlink(missing_ok=True)
    if not cluster.is_made:
        server.initialise(cluster)
    password = superuser_password(cluster)
    server.launch(cluster, durable=durable)
    if role == SCOUT:
        password = make_scout(cluster, password)
    cluster.keep_login(role, password)


@contextmanager
def _lock(cluster: Cluster) -> Iterator[None]:
    """Let one process at a time start or stop this server."""
    cluster.data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with cluster.beside("lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
