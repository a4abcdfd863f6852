"""Finds and ends sessions and prepared transactions that hold locks in a dataset schema.

A reader that is idle in a transaction keeps a schema from being dropped for any length of time. A
prepared transaction does so without a session, even after a restart of the server.
"""

from __future__ import annotations

import logging
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from scout_control.errors import ServerError
from scout_control.rules.expiry import LOCK_TIMEOUT, STATEMENT_TIMEOUT
from scout_control.store import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg import Connection

log = logging.getLogger(__name__)

TIMEOUTS = (("lock_timeout", LOCK_TIMEOUT), ("statement_timeout", STATEMENT_TIMEOUT))
TERMINATION_MILLISECONDS = 5000
# Locks on the schema, its objects and their indexes; a prepared transaction has no pid.
HOLDERS = """
    WITH namespace AS (SELECT oid FROM pg_namespace WHERE nspname = ANY(%(schemas)s)),
         content AS (
             SELECT classid, objid FROM pg_depend, namespace
              WHERE refclassid = 'pg_namespace'::regclass AND refobjid = namespace.oid
             UNION ALL SELECT 'pg_namespace'::regclass, oid FROM namespace
             UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index, pg_class, namespace
              WHERE pg_class.oid = indrelid AND relnamespace = namespace.oid
         ),
         held AS (
             SELECT DISTINCT pid, virtualtransaction AS virtual
               FROM pg_locks JOIN content
                 ON content.classid = coalesce(pg_locks.classid, 'pg_class'::regclass)
                AND content.objid = coalesce(pg_locks.objid, pg_locks.relation)
              WHERE granted AND locktype IN ('relation', 'object')
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         )
    SELECT held.pid, NULL AS gid, coalesce(usename, backend_type, '') AS role,
           current_database() AS database
      FROM held JOIN pg_stat_activity ON pg_stat_activity.pid = held.pid
     WHERE held.pid <> pg_backend_pid()
    UNION ALL
    SELECT NULL, gid, owner, pg_prepared_xacts.database
      FROM held
      JOIN pg_locks AS own ON own.virtualtransaction = held.virtual AND own.pid IS NULL
      JOIN pg_prepared_xacts ON own.transactionid = transaction
     WHERE held.pid IS NULL AND own.locktype = 'transactionid'
     ORDER BY pid, gid
"""
OF_ROLES = """
    SELECT pid, NULL AS gid, usename AS role, datname AS database
      FROM pg_stat_activity WHERE usename = ANY(%(roles)s)
    UNION ALL
    SELECT NULL, gid, owner, database FROM pg_prepared_xacts WHERE owner = ANY(%(roles)s)
"""


@dataclass(frozen=True, kw_only=True)
class LockHolder:
    """A session or a prepared transaction."""

    pid: int | None
    gid: str | None
    role: str
    database: str

    def __str__(self) -> str:
        if self.gid is not None:
            return f"the prepared transaction {self.gid!r} of role {self.role!r}"
        return f"session {self.pid} of role {self.role!r}"

    @property
    def remedy(self) -> str:
        """A statement that ends it, for a person with the privilege."""
        if self.gid is not None:
            gid = sql.Literal(self.gid).as_string(None).strip()
            return f"in database {self.database!r} as its owner: ROLLBACK PREPARED {gid}"
        return f"SELECT pg_terminate_backend({self.pid})"


@contextmanager
def connected(server_url: str, database: str | None = None) -> Iterator[Connection[Any]]:
    """Open an autocommit connection whose statements have timeouts."""
    if database is not None:
        path = "/" + quote(database, safe="")
        server_url = urlunsplit(urlsplit(server_url)._replace(path=path))
    with closing(postgres.connect(server_url, autocommit=True)) as connection:
        for name, value in TIMEOUTS:
            connection.execute(
                sql.SQL("SELECT set_config({}, {}, false)").format(
                    sql.Literal(name), sql.Literal(str(round(value.total_seconds() * 1000)))
                )
            )
        yield connection


def find(connection: Connection[Any], schemas: Sequence[str]) -> list[LockHolder]:
    """Return the other holders of locks on schemas or their objects."""
    return _query(connection, HOLDERS, {"schemas": list(schemas)})


def find_by_role(connection: Connection[Any], roles: Sequence[str]) -> list[LockHolder]:
    """Return sessions and prepared transactions of these roles on the whole server."""
    return _query(connection, OF_ROLES, {"roles": list(roles)})


def terminate(connection: Connection[Any], server_url: str, holders: Sequence[LockHolder]) -> None:
    """End these as far as privileges allow; the caller must check whether they ended."""
    for holder in holders:
        try:
            if holder.gid is not None:
                _roll_back(server_url, holder)
            else:
                connection.execute(
                    "SELECT pg_terminate_backend(%s, %s)", [holder.pid, TERMINATION_MILLISECONDS]
                )
        except (psycopg.Error, ServerError) as error:
            log.debug("not_terminated holder=%s error=%s", holder, type(error).__name__)


def _query(connection: Connection[Any], query: str, values: dict[str, Any]) -> list[LockHolder]:
    with connection.cursor(row_factory=class_row(LockHolder)) as cursor:
        return cursor.execute(query.encode(), values).fetchall()


def _roll_back(server_url: str, holder: LockHolder) -> None:
    """Roll a prepared transaction back; Postgres requires its owner and its database."""
    with connected(server_url, holder.database) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(holder.role)))
        connection.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(holder.gid)))
