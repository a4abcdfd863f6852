"""Fixtures of all tests: a Postgres per session, an empty dataset schema per test."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import psycopg2
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg2 import sql
from scout_control.installation import embedded_postgres
from scout_control.installation.embedded_postgres import roles
from support.logins import with_login

# The same examples on every machine, however slow: what fails here fails everywhere. To search for
# new ones: pytest --hypothesis-profile=search
hypothesis_settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.register_profile("search", deadline=None, print_blob=True)
hypothesis_settings.load_profile("repeatable")

# Files are distributed among workers in this order. Files of long tests must not start last, when
# the other workers have nothing left to do; short ones fill the end.
TESTS = Path(__file__).parent
FOLDERS = ("end_to_end", "security", "integration", "contract", "unit", "architecture")

MEMORY, ENOUGH_BYTES = "/dev/shm", 12 << 30


# What collection makes lasts as long as the session: to look for garbage in it took 40 % of its
# time, in each worker.
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage again, but not among modules and items."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the folders with the longest tests first."""
    rank = {name: at for at, name in enumerate(FOLDERS)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(TESTS).parts[0], len(rank)))


def _memory() -> str | None:
    """Return a folder in memory, if it has room for the servers of all workers.

    Hundreds of databases are made, and one is 10 MB of small files.
    """
    has_room = Path(MEMORY).is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES
    return MEMORY if has_room else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of the superuser: of an embedded Postgres, or of the server in the environment."""
    if other := os.environ.get("SCOUT_TEST_DATABASE_URL"):
        yield other
        return
    home = Path(tempfile.mkdtemp(prefix="test-pg-", dir=_memory()))
    try:
        yield embedded_postgres.start(home / "data", durable=False, as_superuser=True)
    finally:
        # Immediate shutdown: the checkpoint of a normal one can take a minute, for nothing.
        with suppress(OSError, ValueError):
            os.kill(int((home / "data/postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        embedded_postgres.stop(home / "data")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def control_postgres(postgres: str) -> str:
    """URL of control's role on the same server, as an embedded Postgres has it."""
    with psycopg.connect(postgres) as connection:
        return with_login(postgres, roles.SCOUT, roles.make_role(connection))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, for a server's socket."""
    home = Path(tempfile.mkdtemp(prefix="scout-test-"))
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def connection(postgres: str) -> Iterator[psycopg2.extensions.connection]:
    """An autocommit connection of the superuser."""
    opened = psycopg2.connect(postgres)
    opened.autocommit = True
    yield opened
    opened.close()


@pytest.fixture
def dataset_schema(connection: psycopg2.extensions.connection) -> Iterator[str]:
    """The name of a dataset schema that does not exist; dropped after the test."""
    name = f"data_test_{uuid.uuid4().hex[:12]}"
    yield name
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))
