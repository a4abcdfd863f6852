"""Drops a dataset schema with its alias, even if sessions hold locks in it.

Each step commits separately and is repeatable, so the next maintenance round continues after any
failure. Access is revoked before anything is dropped: all remaining lock holders had access before,
and no new ones can queue. They get a grace period from that moment, then they are terminated.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.datasets import alias_schema, lock_holders, role_retirement
from scout_control.errors import ConflictError, OwnershipError
from scout_control.rules import expiry
from scout_control.rules.naming import is_owner, roles_of
from scout_control.store.postgres import statement_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from scout_control.datasets.lock_holders import LockHolder
    from scout_control.errors import ServerError
    from scout_control.rules.naming import SchemaNames

log = logging.getLogger(__name__)

MAX_TRIES = 3
# A transaction can lock only some thousands of objects; a table with its indexes takes several.
DROP_BATCH_SIZE = 200
SELECT_OWNER = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s"
# Views and tables in other schemas that depend on a relation in this one.
SELECT_DEPENDENTS = """
    SELECT DISTINCT format('%%I.%%I', outer_namespace.nspname, dependent.relname)
      FROM pg_depend
      JOIN pg_rewrite ON pg_rewrite.oid = pg_depend.objid
      JOIN pg_class AS dependent ON dependent.oid = pg_rewrite.ev_class
      JOIN pg_namespace AS outer_namespace ON outer_namespace.oid = dependent.relnamespace
      JOIN pg_class AS referenced ON referenced.oid = pg_depend.refobjid
      JOIN pg_namespace AS inner_namespace ON inner_namespace.oid = referenced.relnamespace
     WHERE pg_depend.classid = 'pg_rewrite'::regclass
       AND pg_depend.refclassid = 'pg_class'::regclass
       AND inner_namespace.nspname = ANY(%(schemas)s)
       AND outer_namespace.nspname <> ALL(%(schemas)s)
    UNION
    SELECT format('%%I.%%I', outer_namespace.nspname, dependent.relname)
      FROM pg_constraint
      JOIN pg_class AS dependent ON dependent.oid = pg_constraint.conrelid
      JOIN pg_namespace AS outer_namespace ON outer_namespace.oid = dependent.relnamespace
      JOIN pg_class AS referenced ON referenced.oid = pg_constraint.confrelid
      JOIN pg_namespace AS inner_namespace ON inner_namespace.oid = referenced.relnamespace
     WHERE inner_namespace.nspname = ANY(%(schemas)s)
       AND outer_namespace.nspname <> ALL(%(schemas)s)
    ORDER BY 1
"""
# The objects of a schema with their type as DROP names it: tables first, partitions before parents.
# Internal parts of another object, such as the functions of a range type, are dropped with it only.
SELECT_OBJECTS = """
    SELECT CASE WHEN classid = 'pg_proc'::regclass THEN 'routine'
                WHEN classid = 'pg_statistic_ext'::regclass THEN 'statistics'
                ELSE object.type END,
           object.identity
      FROM pg_depend
      LEFT JOIN pg_class ON classid = 'pg_class'::regclass AND pg_class.oid = objid,
           LATERAL pg_identify_object(classid, objid, 0) AS object
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
    """Other sessions hold locks on what is to be dropped."""

    def __init__(
        self, schema: str, holders: list[LockHolder], wait_seconds: float, role: str
    ) -> None:
        names = ", ".join(map(str, holders)) or "a session that has ended since"
        self.is_grace_over = wait_seconds <= 0
        if not self.is_grace_over:
            remedy = f"It will be terminated in {wait_seconds:.0f} s; then the data is removed."
        else:
            statements = "; ".join(dict.fromkeys(each.remedy for each in holders))
            remedy = (
                f"End it: {statements or 'retry'}. Or let control do so: {grant_statement(role)}"
            )
        super().__init__(f"{names} holds a lock in {schema}.", remedy)


def grant_statement(role: str) -> str:
    """Return the statement that lets control terminate sessions of other roles."""
    return f"GRANT pg_signal_backend TO {sql.Identifier(role).as_string(None)}"


def check_droppable(server_url: str, dataset: SchemaNames, *, force: bool) -> None:
    """Raise unless the schema of a dataset may be dropped.

    Raises:
        ConflictError: Objects outside depend on it, and ``force`` is not set.
        OwnershipError: A schema of that name exists and belongs to another owner.
    """
    try:
        with lock_holders.connected(server_url) as connection:
            _check(connection, dataset, force=force)
    except psycopg.Error as error:
        raise _drop_error(error, dataset.schema) from None


def drop(server_url: str, dataset: SchemaNames, *, force: bool = False) -> None:
    """Drop a dataset schema and disable its roles.

    Raises:
        BlockedError: Sessions hold locks, and their grace period lasts or they cannot be ended.
        ConflictError: Objects outside depend on it, and ``force`` is not set.
        OwnershipError: A schema of that name exists and belongs to another owner.
    """
    try:
        with lock_holders.connected(server_url) as connection:
            exists = _check(connection, dataset, force=force)  # again: roles are disabled next
            roles = roles_of(dataset.schema) + role_retirement.roles_of_people(connection, dataset)
            since = role_retirement.disable(connection, dataset, roles)
            # All sessions of the dataset's roles; these cannot log in again.
            own = lock_holders.find_by_role(connection, roles)
            lock_holders.terminate(connection, server_url, own)
            # The alias first: where it cannot be dropped, the schema shows that work is left.
            schemas = alias_schema.find(connection, dataset)
            schemas += [dataset.schema] if exists else []
            if schemas:
                _drop_data(connection, server_url, schemas, since)
    except psycopg.Error as error:
        raise _drop_error(error, dataset.schema) from None


def dependents(connection: Connection[Any], dataset: SchemaNames) -> list[str]:
    """Return views and tables in other schemas that depend on a dataset schema or its alias."""
    schemas = [dataset.schema, *alias_schema.find(connection, dataset)]
    rows = connection.execute(SELECT_DEPENDENTS.encode(), {"schemas": schemas})
    return [name for (name,) in rows.fetchall()]


def _check(connection: Connection[Any], dataset: SchemaNames, *, force: bool) -> bool:
    """Return whether the schema exists; raise if it may not be dropped."""
    schema = dataset.schema
    row = connection.execute(SELECT_OWNER, [schema]).fetchone()
    if row and not is_owner(row[0], dataset.owner):
        raise OwnershipError(
            f"The schema {schema} belongs to another owner.", "Nothing was dropped."
        )
    if not force and (outside := dependents(connection, dataset)):
        raise ConflictError(
            f"{', '.join(outside)} would be dropped together with {schema}.",
            "Drop them first, or use --force.",
        )
    return row is not None


def _drop_data(
    connection: Connection[Any], server_url: str, schemas: Sequence[str], since: datetime | None
) -> None:
    """Drop schemas; leave lock holders alone until their grace period ends."""
    # ``since`` is the earliest mark, so the grace period does not start over with each attempt.
    grace_ends_at = since + expiry.READER_GRACE if since else datetime.now(UTC)
    where, role = schemas[-1], connection.info.user
    for _ in range(MAX_TRIES):
        holders = lock_holders.find(connection, schemas)
        wait_seconds = (grace_ends_at - datetime.now(UTC)).total_seconds()
        if holders and wait_seconds > 0:
            raise BlockedError(where, holders, wait_seconds, role)
        lock_holders.terminate(connection, server_url, holders)
        if holders and lock_holders.find(connection, schemas):
            break  # we lack the privilege to end them, so waiting is pointless
        try:
            for schema in schemas:
                _drop_in_batches(connection, schema)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            continue  # such as autovacuum, which has yielded by now
        return
    holders = lock_holders.find(connection, schemas)
    raise BlockedError(where, holders, wait_seconds=0, role=role)


def _drop_in_batches(connection: Connection[Any], schema: str) -> None:
    while True:
        objects = connection.execute(SELECT_OBJECTS.encode(), [schema, DROP_BATCH_SIZE]).fetchall()
        if len(objects) < DROP_BATCH_SIZE:
            break  # DROP SCHEMA can lock the rest
        with connection.transaction():
            for kind, identity in objects:  # already quoted by Postgres
                # IF EXISTS, since CASCADE may have dropped it with an earlier object.
                connection.execute(f"DROP {kind} IF EXISTS {identity} CASCADE".encode())
    name = sql.Identifier(schema)
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))


def _drop_error(error: psycopg.Error, schema: str) -> ServerError:
    return statement_error(
        f"Postgres could not drop {schema}",
        error,
        "Maintenance retries it; check the server's log.",
    )
