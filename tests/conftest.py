"""The world of the tests: one real Postgres for the session, one empty dataset schema a test."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
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

# The same examples on every machine, however slow it is: what fails here fails everywhere. To look
# for new ones: pytest --hypothesis-profile=search
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of the superuser of an embedded Postgres of the session's, or of another server."""
    if other := os.environ.get("SCOUT_TEST_DATABASE_URL"):
        yield other
        return
    home = Path(tempfile.mkdtemp(prefix="scout-pg-"))
    try:
        yield embedded_postgres.start(home / "data", durable=False, as_superuser=True)
    finally:
        embedded_postgres.stop(home / "data")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def control_postgres(postgres: str) -> str:
    """URL of the role that control is on an embedded Postgres, on the same server."""
    with psycopg.connect(postgres) as connection:
        return with_login(postgres, roles.SCOUT, roles.make_role(connection))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, for a server's files."""
    home = Path(tempfile.mkdtemp(prefix="scout-test-"))
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def connection(postgres: str) -> Iterator[psycopg2.extensions.connection]:
    """An autocommit connection of the superuser, to look at what a program has done."""
    opened = psycopg2.connect(postgres)
    opened.autocommit = True
    yield opened
    opened.close()


@pytest.fixture
def dataset_schema(connection: psycopg2.extensions.connection) -> Iterator[str]:
    """A name for a dataset schema that does not exist yet; dropped after the test."""
    name = f"data_test_{uuid.uuid4().hex[:12]}"
    yield name
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))
