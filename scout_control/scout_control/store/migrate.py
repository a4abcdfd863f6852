"""Brings the store to the version of this program; safe when two start at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from scout_control.store import queue_schema
from scout_control.store.database import is_newer, refusal
from scout_control.store.models import SCHEMA

if TYPE_CHECKING:
    from scout_control.store.database import Store

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('scout_control migrations', 0))"


def migrate(store: Store, revision: str = "head") -> str:
    """Apply what is missing, in one transaction, and return the version reached.

    Raises:
        ControlError: What the database refused, in words.
    """
    try:
        with store.engine.begin() as connection:
            connection.execute(text(LOCK))
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            connection.execute(text(f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC"))
            configuration = _configuration()
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, revision)
            if revision == "head":
                queue_schema.upgrade(connection)
    except DBAPIError as error:
        raise refusal(error) from None
    except CommandError:
        raise is_newer(version(store)) from None
    return version(store) or ""


def version(store: Store) -> str | None:
    """Return the version that the store is at, or nothing when it was never made."""
    try:
        with store.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
            return context.get_current_revision()
    except DBAPIError as error:
        raise refusal(error) from None


def newest() -> str:
    """Return the version that this program needs."""
    return ScriptDirectory.from_config(_configuration()).get_current_head() or ""


def versions() -> list[str]:
    """Return all versions, the oldest first."""
    script = ScriptDirectory.from_config(_configuration())
    return [found.revision for found in script.walk_revisions()][::-1]


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", "scout_control.store:migrations")
    return configuration
