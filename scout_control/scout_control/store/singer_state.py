"""Stores the Singer state of datasets in Postgres.

Only control connects to this table; the processes of a run have no credentials for it. Meltano
passes each state to control (``state_backend``), so that a plugin can neither read nor lock the
state of another dataset.
"""

from __future__ import annotations

import json
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.store.postgres import connect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

MELTANO_SCHEMA = "scout_meltano"
# The same table that Meltano created in earlier installations, so that their state is kept.
CREATE = (
    "CREATE SCHEMA IF NOT EXISTS {schema}",
    """CREATE TABLE IF NOT EXISTS {schema}.state (
           state_id varchar PRIMARY KEY, partial_state varchar, completed_state varchar,
           updated_at timestamp
       )""",
    "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC",
)
EXISTING_ROLES = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)"
DROP_ROLE = (
    "REASSIGN OWNED BY {role} TO CURRENT_USER",
    "DROP OWNED BY {role}",
    "DROP ROLE {role}",
)
# Meltano's other tables. One contains pickles, which execute code when they are loaded.
OTHER_TABLES = """
    SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename <> 'state'
"""
SELECT = "SELECT partial_state, completed_state FROM {schema}.state WHERE state_id = %s"
UPSERT = """
    INSERT INTO {schema}.state AS was (state_id, partial_state, completed_state, updated_at)
    VALUES (%s, %s, %s, timezone('utc', now()))
    ON CONFLICT (state_id) DO UPDATE SET partial_state = excluded.partial_state,
        completed_state = excluded.completed_state, updated_at = excluded.updated_at
"""
DELETE = "DELETE FROM {schema}.state WHERE right(state_id, length(%(end)s)) = %(end)s"

State = dict[str, Any]


class StateStore:
    """The table of states; connects on first use, and again after a lost connection."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._connection: Connection[Any] | None = None

    def get(self, state_id: str) -> State | None:
        """Return the partial and the completed state.

        Raises:
            ServerError: The server does not answer.
            psycopg.Error: The statement failed.
        """
        row = self._execute(SELECT, [state_id]).fetchone()
        if row is None:
            return None
        partial, completed = (json.loads(text) if text else {} for text in row)
        return {"partial": partial, "completed": completed}

    def save(self, state_id: str, state: State) -> None:
        """Replace a state, and commit.

        Raises:
            ServerError: The server does not answer.
            psycopg.Error: The statement failed.
        """
        values = [json.dumps(state.get(part) or {}) for part in ("partial", "completed")]
        self._execute(UPSERT, [state_id, *values])

    def delete(self, dataset_schema: str) -> None:
        """Delete all states of a dataset.

        Raises:
            ServerError: The server does not answer.
            psycopg.Error: The statement failed.
        """
        self._execute(DELETE, {"end": f":{dataset_schema}"})

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _execute(self, statement: str, values: Any) -> psycopg.Cursor[Any]:
        try:
            return self._execute_once(statement, values)
        except psycopg.OperationalError:  # the server restarted, or a pooler disconnected us
            self.close()
            return self._execute_once(statement, values)

    def _execute_once(self, statement: str, values: Any) -> psycopg.Cursor[Any]:
        if self._connection is None:
            self._connection = connect(self._server_url, autocommit=True)
        composed = sql.SQL(statement).format(schema=sql.Identifier(MELTANO_SCHEMA))
        return self._connection.execute(composed, values)


def prepare(server_url: str, former_roles: Iterable[str] = ()) -> None:
    """Create the table of states, or upgrade that of an earlier installation.

    Args:
        server_url: The database.
        former_roles: Roles with which Meltano logged in in earlier installations. They are
            dropped, after their objects are reassigned to the current user.

    Raises:
        ServerError: The server does not answer.
        psycopg.Error: A statement failed.
    """
    with connect(server_url) as connection:
        for (role,) in connection.execute(EXISTING_ROLES, [list(former_roles)]).fetchall():
            for statement in DROP_ROLE:
                connection.execute(_composed(statement, role=role))
        for (table,) in connection.execute(OTHER_TABLES, [MELTANO_SCHEMA]).fetchall():
            connection.execute(_composed("DROP TABLE {schema}.{table} CASCADE", table=table))
        for statement in CREATE:
            connection.execute(_composed(statement))


def delete(server_url: str, dataset_schema: str) -> None:
    """Delete all states of a dataset, over a separate connection."""
    # The first run creates the table.
    with closing(StateStore(server_url)) as states, suppress(psycopg.errors.UndefinedTable):
        states.delete(dataset_schema)


def _composed(statement: str, **names: str) -> sql.Composed:
    identifiers = {name: sql.Identifier(value) for name, value in names.items()}
    return sql.SQL(statement).format(schema=sql.Identifier(MELTANO_SCHEMA), **identifiers)
