"""Keeps Procrastinate's tables at the version of the installed library.

The library ships its schema and migration scripts as files. The applied version is stored beside
the tables, so that an upgrade of the library only requires ``scout init``.
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

SCRIPT_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)_")


def create(connection: Connection) -> None:
    """Create all tables and store the version."""
    _execute(connection, SchemaManager.get_schema())
    connection.execute(
        text("INSERT INTO scout_control.queue_version VALUES (:version)"),
        {"version": installed_version("procrastinate")},
    )


def upgrade(connection: Connection) -> None:
    """Apply the scripts between the stored version and the installed one."""
    version = connection.execute(text("SELECT version FROM scout_control.queue_version")).scalar()
    scripts = scripts_after(version or "")
    for script in scripts:
        _execute(connection, script.read_text())
    if scripts:
        connection.execute(
            text("UPDATE scout_control.queue_version SET version = :version"),
            {"version": installed_version("procrastinate")},
        )


def scripts_after(version: str) -> list[Path]:
    """Return the library's migration scripts after a version, in order."""
    applied = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    candidates = ((SCRIPT_VERSION.match(path.name), path) for path in _scripts())
    return [
        path
        for version_, path in candidates
        if version_ and tuple(map(int, version_.groups())) > applied
    ]


def _scripts() -> list[Path]:
    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _execute(connection: Connection, script: str) -> None:
    """Execute a script of many statements without parameter substitution."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]  # the store's driver
    driver.execute(script.encode())
