"""Brings the store to the version of this program; safe when two start at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from scout_control.rules import session_settings
from scout_control.store import queue_schema
from scout_control.store.database import is_newer, refusal
from scout_control.store.models import SCHEMA
from scout_control.store.postgres import AT_ONCE, SECONDS_BETWEEN_TRIES, TRIES_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from scout_control.store.database import Store

# Made before the first migration, as Alembic would make it. Each migration locks it, which no other
# role may, as none has a right on it. Reading stays possible, so that workers continue.
TABLE = f"{SCHEMA}.alembic_version"
PREPARATION = (
    f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
    f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC",
    f"""
    CREATE TABLE IF NOT EXISTS {TABLE} (
        version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
    """,
)
LOCK = (
    f"SET LOCAL lock_timeout TO '{session_settings.SECONDS_TO_TAKE_TURNS}s'",
    "SET LOCAL statement_timeout TO 0",
    f"LOCK TABLE {TABLE} IN SHARE ROW EXCLUSIVE MODE",
)
# PUBLIC may execute what is created, unless it is told otherwise.
IS_OPEN = text(f"""
    SELECT FROM pg_proc
     WHERE pronamespace = '{SCHEMA}'::regnamespace
       AND has_function_privilege('public', oid, 'EXECUTE') LIMIT 1
""")
CLOSE = f"REVOKE ALL ON ALL ROUTINES IN SCHEMA {SCHEMA} FROM PUBLIC"


def migrate(
    store: Store, revision: str = "head", bind: Callable[[Connection], None] | None = None
) -> str:
    """Apply what is missing, in one transaction, and return the version reached.

    Args:
        store: What to bring there.
        revision: Where to.
        bind: Binds stored secrets to what they are for, in the version that began to do so.

    Raises:
        ControlError: What the database refused, in words.
    """
    try:
        _prepare(store)
        with store.engine.begin() as connection:
            for statement in LOCK:
                connection.execute(text(statement))
            configuration = _configuration()
            configuration.attributes |= {"connection": connection, "bind": bind}
            command.upgrade(configuration, revision)
            if revision == "head":
                queue_schema.upgrade(connection)
            if connection.execute(IS_OPEN).first() is not None:
                connection.execute(text(CLOSE))
    except DBAPIError as error:
        raise refusal(error) from None
    except CommandError:
        raise is_newer(version(store)) from None
    return version(store) or ""


def _prepare(store: Store) -> None:
    """Make what is locked, if it is missing; who comes second finds it made."""
    with store.engine.connect() as connection:
        if connection.scalar(text("SELECT to_regclass(:table)"), {"table": TABLE}) is not None:
            return
    for tries in range(1, TRIES_AT_ONCE + 1):
        try:
            with store.engine.begin() as connection:
                for statement in PREPARATION:
                    connection.execute(text(statement))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in AT_ONCE or tries == TRIES_AT_ONCE:
                raise
            time.sleep(SECONDS_BETWEEN_TRIES * tries)
        else:
            return


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
