"""Keeps the state of datasets (Singer bookmarks) in Postgres: written by control, never by a run.

No process of a run has a login here. Meltano hands each state to control (``state_backend``), so a
plugin can neither read nor hold up what belongs to another dataset.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.store.postgres import connect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

MELTANO_SCHEMA = "scout_meltano"
# As Meltano itself made it in earlier installations, whose bookmarks stay.
CREATE = (
    "CREATE SCHEMA IF NOT EXISTS {schema}",
    """CREATE TABLE IF NOT EXISTS {schema}.state (
           state_id varchar PRIMARY KEY, partial_state varchar, completed_state varchar,
           updated_at timestamp
       )""",
    "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC",
)
PRESENT = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)"
LEAVE = (
    "REASSIGN OWNED BY {role} TO CURRENT_USER",
    "DROP OWNED BY {role}",
    "DROP ROLE {role}",
)
# Meltano's other tables: one holds pickles, which run as code where they are read.
LEFT_OVER = """
    SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename <> 'state'
"""
GET = "SELECT partial_state, completed_state FROM {schema}.state WHERE state_id = %s"
KEEP = """
    INSERT INTO {schema}.state AS was (state_id, partial_state, completed_state, updated_at)
    VALUES (%s, %s, %s, timezone('utc', now()))
    ON CONFLICT (state_id) DO UPDATE SET partial_state = excluded.partial_state,
        completed_state = excluded.completed_state, updated_at = excluded.updated_at
"""
FORGET = "DELETE FROM {schema}.state WHERE right(state_id, length(%(end)s)) = %(end)s"

State = dict[str, Any]


class States:
    """The states of the datasets of one store, over a connection that is made when it is needed."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._connection: Connection[Any] | None = None

    def get(self, state_id: str) -> State | None:
        """Return a state: what is partial and what is completed.

        Raises:
            ServerError: The server does not answer.
            psycopg.Error: It refuses.
        """
        found = self._execute(GET, [state_id]).fetchone()
        if found is None:
            return None
        partial, completed = (json.loads(text) if text else {} for text in found)
        return {"partial": partial, "completed": completed}

    def keep(self, state_id: str, state: State) -> None:
        """Put a state in the place of the one before; committed when this returns.

        Raises:
            ServerError: The server does not answer.
            psycopg.Error: It refuses.
        """
        values = [json.dumps(state.get(part) or {}) for part in ("partial", "completed")]
        self._execute(KEEP, [state_id, *values])

    def forget(self, dataset_schema: str) -> None:
        """Forget every state of a dataset.

        Raises:
            ServerError: The server does not answer.
            psycopg.Error: It refuses.
        """
        self._execute(FORGET, {"end": f":{dataset_schema}"})

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _execute(self, statement: str, values: Any) -> psycopg.Cursor[Any]:
        try:
            return self._once(statement, values)
        except psycopg.OperationalError:  # the server was restarted, or a pooler let us go
            self.close()
            return self._once(statement, values)

    def _once(self, statement: str, values: Any) -> psycopg.Cursor[Any]:
        if self._connection is None:
            self._connection = connect(self._server_url, autocommit=True)
        composed = sql.SQL(statement).format(schema=sql.Identifier(MELTANO_SCHEMA))
        return self._connection.execute(composed, values)


def prepare(server_url: str, former_roles: Iterable[str] = ()) -> None:
    """Make the place for states.

    Args:
        server_url: Of the database that holds them.
        former_roles: That Meltano logged in as, in earlier installations: what they own is taken
            over, and they are dropped.

    Raises:
        ServerError: The server does not answer.
        psycopg.Error: It refuses.
    """
    with connect(server_url) as connection:
        for (role,) in connection.execute(PRESENT, [list(former_roles)]).fetchall():
            for statement in LEAVE:
                connection.execute(_composed(statement, role=role))
        for (table,) in connection.execute(LEFT_OVER, [MELTANO_SCHEMA]).fetchall():
            connection.execute(_composed("DROP TABLE {schema}.{table} CASCADE", table=table))
        for statement in CREATE:
            connection.execute(_composed(statement))


def forget(server_url: str, dataset_schema: str) -> None:
    """Forget every state of a dataset, over a connection of its own."""
    with closing(States(server_url)) as states:
        states.forget(dataset_schema)


def _composed(statement: str, **names: str) -> sql.Composed:
    identifiers = {name: sql.Identifier(value) for name, value in names.items()}
    return sql.SQL(statement).format(schema=sql.Identifier(MELTANO_SCHEMA), **identifiers)
