"""Drops a dataset schema, whoever holds it.

Each step commits by itself and may be repeated, so that whatever stops one is met again by the next
round. Access is taken away before anything is dropped: who holds a lock then had it before, and
nobody can line up behind. Sessions get a grace from that moment, and are ended after it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.datasets import lock_holders, role_retirement
from scout_control.errors import ConflictError, OwnershipError, ServerError
from scout_control.rules import expiry
from scout_control.rules.naming import is_owner

if TYPE_CHECKING:
    from psycopg import Connection

    from scout_control.datasets.lock_holders import Holder
    from scout_control.rules.naming import Names

log = logging.getLogger(__name__)

MOST_TRIES = 3
# A transaction can lock some thousands of objects; a table takes several with its indexes.
ONE_BITE = 200
OWNER = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s"
# Relations, functions and types elsewhere that hang on something in this schema.
DEPENDENTS = """
    SELECT DISTINCT format('%%I.%%I', outer_space.nspname, dependent.relname)
      FROM pg_depend
      JOIN pg_rewrite ON pg_rewrite.oid = pg_depend.objid
      JOIN pg_class AS dependent ON dependent.oid = pg_rewrite.ev_class
      JOIN pg_namespace AS outer_space ON outer_space.oid = dependent.relnamespace
      JOIN pg_class AS inner_one ON inner_one.oid = pg_depend.refobjid
      JOIN pg_namespace AS inner_space ON inner_space.oid = inner_one.relnamespace
     WHERE pg_depend.classid = 'pg_rewrite'::regclass
       AND pg_depend.refclassid = 'pg_class'::regclass
       AND inner_space.nspname = %(schema)s AND outer_space.nspname <> %(schema)s
    UNION
    SELECT format('%%I.%%I', outer_space.nspname, dependent.relname)
      FROM pg_constraint
      JOIN pg_class AS dependent ON dependent.oid = pg_constraint.conrelid
      JOIN pg_namespace AS outer_space ON outer_space.oid = dependent.relnamespace
      JOIN pg_class AS inner_one ON inner_one.oid = pg_constraint.confrelid
      JOIN pg_namespace AS inner_space ON inner_space.oid = inner_one.relnamespace
     WHERE inner_space.nspname = %(schema)s AND outer_space.nspname <> %(schema)s
    ORDER BY 1
"""
# What lies in a schema, tables first and parts of them before the whole; each as DROP calls it.
# What belongs to another object, as its functions to a range, goes with it and in no other way.
CONTENT = """
    SELECT CASE WHEN classid = 'pg_proc'::regclass THEN 'routine'
                WHEN classid = 'pg_statistic_ext'::regclass THEN 'statistics'
                ELSE found.type END,
           found.identity
      FROM pg_depend
      LEFT JOIN pg_class ON classid = 'pg_class'::regclass AND pg_class.oid = objid,
           LATERAL pg_identify_object(classid, objid, 0) AS found
     WHERE refclassid = 'pg_namespace'::regclass
       AND refobjid = (SELECT oid FROM pg_namespace WHERE nspname = %s)
       AND classid <> 'pg_default_acl'::regclass
       AND NOT EXISTS (
           SELECT FROM pg_depend AS part
            WHERE part.classid = pg_depend.classid AND part.objid = pg_depend.objid
              AND part.deptype = 'i'
       )
     ORDER BY relkind IS NULL, relispartition DESC, objid DESC
     LIMIT %s
"""


class BlockedError(ConflictError):
    """Others hold what is to be dropped."""

    def __init__(self, schema: str, found: list[Holder], wait_seconds: float, role: str) -> None:
        names = ", ".join(map(str, found)) or "a session that has ended since"
        self.is_final = wait_seconds <= 0
        if not self.is_final:
            remedy = f"It is ended in {wait_seconds:.0f} seconds; then the data is removed."
        else:
            ending = "; ".join(dict.fromkeys(each.remedy for each in found))
            remedy = f"End it: {ending or 'try again'}. Or let control do so: {grant(role)}"
        super().__init__(f"{names} holds {schema}.", remedy)


def grant(role: str) -> str:
    """Return the statement that lets control end sessions of others."""
    return f"GRANT pg_signal_backend TO {sql.Identifier(role).as_string(None)}"


def check(server_url: str, dataset: Names, *, force: bool) -> None:
    """Make sure that a dataset may be dropped.

    Raises:
        ConflictError: Something outside depends on it, and ``force`` is not given.
        OwnershipError: A schema of that name is there and is not this dataset's.
    """
    try:
        with lock_holders.connected(server_url) as connection:
            _check(connection, dataset, force=force)
    except psycopg.Error as error:
        raise _refusal(error, dataset.schema) from None


def drop(server_url: str, dataset: Names, *, force: bool = False) -> None:
    """Drop a dataset schema, and let its roles reach nothing any longer.

    Raises:
        BlockedError: Others hold it, and are left alone yet, or may not be ended.
        ConflictError: Something outside depends on it, and ``force`` is not given.
        OwnershipError: A schema of that name is there and is not this dataset's.
    """
    try:
        with lock_holders.connected(server_url) as connection:
            is_there = _check(connection, dataset, force=force)
            since = role_retirement.retire(connection, dataset)
            _end_own(connection, server_url, dataset.schema)
            if is_there:
                _drop_data(connection, server_url, dataset.schema, since)
    except psycopg.Error as error:
        raise _refusal(error, dataset.schema) from None


def dependents(connection: Connection[Any], schema: str) -> list[str]:
    """Return what outside of a schema hangs on it."""
    found = connection.execute(DEPENDENTS.encode(), {"schema": schema})
    return [name for (name,) in found.fetchall()]


def _check(connection: Connection[Any], dataset: Names, *, force: bool) -> bool:
    """Tell whether the schema is there, and may be dropped."""
    schema = dataset.schema
    found = connection.execute(OWNER, [schema]).fetchone()
    if found and not is_owner(found[0], dataset.owner):
        raise OwnershipError(
            f"The schema {schema} belongs to another owner.", "Nothing was dropped."
        )
    if found and not force and (hanging := dependents(connection, schema)):
        raise ConflictError(
            f"{', '.join(hanging)} would be dropped together with {schema}.",
            "Drop them first, or use --force.",
        )
    return found is not None


def _end_own(connection: Connection[Any], server_url: str, schema: str) -> None:
    """End what the dataset's own roles do on the whole server; they cannot log in again."""
    lock_holders.end(
        connection, server_url, lock_holders.of_roles(connection, role_retirement.roles(schema))
    )


def _drop_data(
    connection: Connection[Any], server_url: str, schema: str, since: datetime | None
) -> None:
    """Drop the schema; whoever holds it is left alone until their grace is over."""
    over_at = since + expiry.GRACE_OF_READERS if since else datetime.now(UTC)
    for _ in range(MOST_TRIES):
        found = lock_holders.holders(connection, schema)
        wait_seconds = (over_at - datetime.now(UTC)).total_seconds()
        if found and wait_seconds > 0:
            raise BlockedError(schema, found, wait_seconds, connection.info.user)
        lock_holders.end(connection, server_url, found)
        if found and lock_holders.holders(connection, schema):
            break  # waiting for those whom we may not end helps nothing
        try:
            _drop_in_bites(connection, schema)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            continue
        return
    found = lock_holders.holders(connection, schema)
    raise BlockedError(schema, found, wait_seconds=0, role=connection.info.user)


def _drop_in_bites(connection: Connection[Any], schema: str) -> None:
    while len(found := connection.execute(CONTENT.encode(), [schema, ONE_BITE]).fetchall()) == (
        ONE_BITE
    ):
        with connection.transaction():
            for kind, identity in found:  # as the server writes them, quoted
                connection.execute(f"DROP {kind} IF EXISTS {identity} CASCADE".encode())
    name = sql.Identifier(schema)
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))


def _refusal(error: psycopg.Error, schema: str) -> ServerError:
    return ServerError(
        f"Postgres did not drop {schema} ({type(error).__name__}, SQLSTATE {error.sqlstate}).",
        "It is tried again; see the server's log.",
    )
