"""Migrates the store to the version of this program; safe to run concurrently."""

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
from scout_control.store.database import to_control_error
from scout_control.store.models import SCHEMA
from scout_control.store.postgres import CONCURRENT_DDL, MAX_DDL_TRIES, SECONDS_BETWEEN_TRIES
from scout_control.store.version import newer_store_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from scout_control.store.database import Store

# Created before the first migration, as Alembic would create it, so that it can be locked. No other
# role can lock it, since none has a privilege on it. The lock allows reads, so workers continue.
VERSION_TABLE = f"{SCHEMA}.alembic_version"
CREATE_VERSION_TABLE = (
    f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
    f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC",
    f"""
    CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (
        version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
    """,
)
LOCK = (
    f"SET LOCAL lock_timeout TO '{session_settings.EXCLUSIVE_TIMEOUT_SECONDS}s'",
    "SET LOCAL statement_timeout TO 0",
    f"LOCK TABLE {VERSION_TABLE} IN SHARE ROW EXCLUSIVE MODE",
)
# By default PUBLIC may execute new functions.
HAS_PUBLIC_ROUTINE = text(f"""
    SELECT FROM pg_proc
     WHERE pronamespace = '{SCHEMA}'::regnamespace
       AND has_function_privilege('public', oid, 'EXECUTE') LIMIT 1
""")
REVOKE_ROUTINES = f"REVOKE ALL ON ALL ROUTINES IN SCHEMA {SCHEMA} FROM PUBLIC"


def migrate(
    store: Store, revision: str = "head", bind: Callable[[Connection], None] | None = None
) -> str:
    """Apply the missing migrations in one transaction; return the resulting version.

    Args:
        store: The store.
        revision: The version to reach.
        bind: Binds stored secrets to their purpose; called by the migration that introduced this.

    Raises:
        ControlError: The database reported an error, or the store is newer than this program.
    """
    try:
        _ensure_version_table(store)
        with store.engine.begin() as connection:
            for statement in LOCK:
                connection.execute(text(statement))
            configuration = _configuration()
            configuration.attributes |= {"connection": connection, "bind": bind}
            command.upgrade(configuration, revision)
            if revision == "head":
                queue_schema.upgrade(connection)
            if connection.execute(HAS_PUBLIC_ROUTINE).first() is not None:
                connection.execute(text(REVOKE_ROUTINES))
    except DBAPIError as error:
        raise to_control_error(error) from None
    except CommandError:
        raise newer_store_error(version(store)) from None
    return version(store) or ""


def _ensure_version_table(store: Store) -> None:
    """Create the version table if it is missing; concurrent callers retry and find it."""
    with store.engine.connect() as connection:
        if (
            connection.scalar(text("SELECT to_regclass(:table)"), {"table": VERSION_TABLE})
            is not None
        ):
            return
    for tries in range(1, MAX_DDL_TRIES + 1):
        try:
            with store.engine.begin() as connection:
                for statement in CREATE_VERSION_TABLE:
                    connection.execute(text(statement))
        except DBAPIError as error:
            if (
                getattr(error.orig, "sqlstate", None) not in CONCURRENT_DDL
                or tries == MAX_DDL_TRIES
            ):
                raise
            time.sleep(SECONDS_BETWEEN_TRIES * tries)
        else:
            return


def version(store: Store) -> str | None:
    """Return the version of the store; None if it does not exist."""
    try:
        with store.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
            return context.get_current_revision()
    except DBAPIError as error:
        raise to_control_error(error) from None


def newest() -> str:
    """Return the version that this program requires."""
    return ScriptDirectory.from_config(_configuration()).get_current_head() or ""


def versions() -> list[str]:
    """Return all versions, oldest first."""
    script = ScriptDirectory.from_config(_configuration())
    return [each.revision for each in script.walk_revisions()][::-1]


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", "scout_control.store:migrations")
    return configuration
