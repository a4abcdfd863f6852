"""The tables of Procrastinate, kept at the version of the library that is installed.

The library brings its schema and the steps between its versions as files; which steps were taken is
remembered beside the tables, so that an upgrade of the library needs nothing but ``scout init``.
"""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from procrastinate.schema import SchemaManager
from sqlalchemy import text

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Connection

STEP = re.compile(r"(\d+)\.(\d+)\.(\d+)_")


def create(connection: Connection) -> None:
    """Make all tables and remember the version."""
    _execute(connection, SchemaManager.get_schema())
    connection.execute(
        text("INSERT INTO scout_control.queue_version VALUES (:version)"),
        {"version": installed_version("procrastinate")},
    )


def upgrade(connection: Connection) -> None:
    """Take the steps from the version remembered to the installed one."""
    found = connection.execute(text("SELECT version FROM scout_control.queue_version")).scalar()
    steps = steps_after(found or "")
    for step in steps:
        _execute(connection, step.read_text())
    if steps:
        connection.execute(
            text("UPDATE scout_control.queue_version SET version = :version"),
            {"version": installed_version("procrastinate")},
        )


def steps_after(version: str) -> list[Path]:
    """Return the library's steps that a queue of this version still lacks, in order."""
    have = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    found = ((STEP.match(path.name), path) for path in _steps())
    return [path for step, path in found if step and tuple(map(int, step.groups())) > have]


def _steps() -> list[Path]:
    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _execute(connection: Connection, script: str) -> None:
    """Execute a script of many statements as it stands: nothing in it is a parameter."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]  # the store's driver
    driver.execute(script.encode())
