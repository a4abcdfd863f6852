"""Retires the roles of a dataset: disables them at once, drops them when they own nothing.

A role can own objects in any database of its server, including ones we cannot connect to. Such a
role must not keep data from being dropped. So it loses its login and its access, is marked as
retired in its comment, and dropping it is retried daily. The mark is stored on the role itself, so
it needs no bookkeeping elsewhere and vanishes with the role.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.datasets import lock_holders
from scout_control.errors import ControlError, ServerError
from scout_control.rules.naming import READER_SUFFIX, roles_of
from scout_control.store.postgres import disable_login, has_role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from psycopg import Connection

    from scout_control.rules.naming import SchemaNames

    Exclusively = Callable[[], AbstractContextManager[None]]

log = logging.getLogger(__name__)

MARK = "scout: retired from {database} at "
OF_PERSON = "scout: reads for one person in {database}: "
"""How the comment of a role begins with which one person reads a dataset; its owner follows."""
MAX_TRIES = 5
SELECT_COMMENTS = """
    SELECT rolname, coalesce(shobj_description(oid, 'pg_authid'), '')
      FROM pg_roles WHERE rolname = ANY(%s) ORDER BY rolname
"""
SELECT_WITH_COMMENT = """
    SELECT rolname FROM pg_catalog.pg_roles
     WHERE pg_catalog.shobj_description(oid, 'pg_authid') = %s ORDER BY rolname
"""
SELECT_OF_PEOPLE = """
    SELECT rolname, right(pg_catalog.shobj_description(oid, 'pg_authid'), -length(%(mark)s))
      FROM pg_catalog.pg_roles
     WHERE starts_with(pg_catalog.shobj_description(oid, 'pg_authid'), %(mark)s) ORDER BY rolname
"""
SELECT_GRANTEES = """
    SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(rolname) END
      FROM pg_namespace, LATERAL aclexplode(nspacl) LEFT JOIN pg_roles ON pg_roles.oid = grantee
     WHERE nspname = %s AND grantee <> nspowner AND (grantee = 0 OR rolname IS NOT NULL)
"""
SELECT_MEMBERSHIPS = """
    SELECT granted.rolname, member.rolname
      FROM pg_auth_members
      JOIN pg_roles AS granted ON granted.oid = roleid
      JOIN pg_roles AS member ON member.oid = pg_auth_members.member
     WHERE (granted.rolname = ANY(%(roles)s) AND member.rolname <> current_user)
        OR member.rolname = ANY(%(roles)s)
"""
SELECT_MARKED = """
    SELECT rolname FROM pg_roles
     WHERE starts_with(shobj_description(oid, 'pg_authid'), %s)
       AND NOT EXISTS (SELECT FROM pg_namespace
                        WHERE nspname IN (left(rolname, -3), left(rolname, -6)))
     ORDER BY rolname
"""
# Databases that contain a reference to a role, or whose own entry refers to it.
SELECT_DATABASES = """
    SELECT DISTINCT datname
      FROM pg_shdepend
      JOIN pg_database ON pg_database.oid = CASE dbid WHEN 0 THEN objid ELSE dbid END
     WHERE refclassid = 'pg_authid'::regclass AND (dbid <> 0 OR classid = 'pg_database'::regclass)
       AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = %s)
     ORDER BY datname
"""
# In batches: a transaction can lock only some thousands of objects.
UNLINK_LARGE_OBJECTS = """
    SELECT count(lo_unlink(oid)) FROM (
        SELECT oid FROM pg_largeobject_metadata
         WHERE lomowner = (SELECT oid FROM pg_roles WHERE rolname = %s) LIMIT 1000
    ) AS batch
"""


@dataclass(frozen=True, kw_only=True)
class UndroppedRole:
    """A retired role that could not be dropped yet, and the databases that refer to it."""

    name: str
    databases: list[str]


def mark_of_person(connection: Connection[Any], owner: str) -> str:
    """Return the comment of the roles with which people read a dataset.

    By it these are found where the store does not know them, such as after it was restored. It
    names the database, since a copy of a database may be on the same server, with other roles.
    """
    return OF_PERSON.format(database=connection.info.dbname) + owner


def roles_of_people(connection: Connection[Any], dataset: SchemaNames) -> list[str]:
    """Return the roles with which people read a dataset."""
    mark = mark_of_person(connection, dataset.owner)
    return [name for (name,) in connection.execute(SELECT_WITH_COMMENT, [mark])]


def all_roles_of_people(connection: Connection[Any]) -> dict[str, str]:
    """Return all roles with which people read datasets of this database, and whose data that is."""
    mark = OF_PERSON.format(database=connection.info.dbname)
    return dict(connection.execute(SELECT_OF_PEOPLE, {"mark": mark}).fetchall())


def disable(
    connection: Connection[Any], dataset: SchemaNames, roles: Sequence[str]
) -> datetime | None:
    """Disable the logins of a dataset's roles and revoke all access to its schema.

    Args:
        connection: A session on the server.
        dataset: The dataset.
        roles: All roles that it may have.

    Returns:
        When the roles were first disabled; None if the dataset has no roles.
    """
    for attempt in range(MAX_TRIES):
        try:
            with connection.transaction():
                return _disable(connection, dataset.schema, roles)
        except psycopg.errors.InternalError_:
            # "tuple concurrently updated": another session changed the same role or schema.
            if attempt == MAX_TRIES - 1:
                raise
    return None


def clear_marks(connection: Connection[Any], dataset: SchemaNames) -> None:
    """Unmark the roles of a dataset that is loaded again."""
    for role, comment in connection.execute(SELECT_COMMENTS, [roles_of(dataset.schema)]).fetchall():
        if comment.startswith(_mark(connection)):
            set_comment(connection, role, dataset.owner)


def drop(server_url: str, names: Sequence[str], exclusively: Exclusively) -> int:
    """Drop disabled roles with everything they own; return how many were dropped.

    Args:
        server_url: The server of their dataset schema.
        names: The roles.
        exclusively: Serializes changes of the store's privileges, which update the same rows.
    """
    try:
        with lock_holders.connected(server_url) as connection:
            return sum(_drop(connection, server_url, name, exclusively) for name in names)
    except (psycopg.Error, ServerError) as error:
        log.warning("roles_not_dropped roles=%s error=%s", names, type(error).__name__)
        return 0


def drop_marked(server_url: str, exclusively: Exclusively) -> int:
    """Retry to drop the retired roles of a database; return how many were dropped.

    Raises:
        ServerError: The server does not answer, or reported an error.
    """
    try:
        with lock_holders.connected(server_url) as connection:
            names = [name for (name,) in connection.execute(SELECT_MARKED, [_mark(connection)])]
    except psycopg.Error as error:
        raise ServerError.of_postgres(error, error.sqlstate) from None
    return drop(server_url, names, exclusively)


def undropped(connection: Connection[Any]) -> list[UndroppedRole]:
    """Return the retired roles of a database that could not be dropped yet."""
    names = [name for (name,) in connection.execute(SELECT_MARKED, [_mark(connection)])]
    return [UndroppedRole(name=name, databases=_databases(connection, name)) for name in names]


def _disable(connection: Connection[Any], schema: str, roles: Sequence[str]) -> datetime | None:
    comments = dict(connection.execute(SELECT_COMMENTS, [roles]).fetchall())
    for role in comments:
        # DROP OWNED requires membership. Granted directly: a membership through the query role
        # would end with that role.
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))
        disable_login(connection, role)
    for (grantee,) in connection.execute(SELECT_GRANTEES, [schema]).fetchall():
        revoke = f"REVOKE ALL ON SCHEMA {{}} FROM {grantee} CASCADE"  # quoted by quote_ident
        connection.execute(sql.SQL(revoke).format(sql.Identifier(schema)))
    # Roles that had read access through a membership lose it here, not only at DROP ROLE, which may
    # be days later.
    for granted, member in connection.execute(
        SELECT_MEMBERSHIPS, {"roles": list(comments)}
    ).fetchall():
        _revoke_membership(connection, granted, member)
    return _mark_all(connection, comments)


def _revoke_membership(connection: Connection[Any], granted: str, member: str) -> None:
    """Revoke a membership; one that a superuser granted ends only with the role."""
    names = (sql.Identifier(granted), sql.Identifier(member))
    try:
        with connection.transaction():
            connection.execute(sql.SQL("REVOKE {} FROM {}").format(*names))
    except psycopg.errors.InsufficientPrivilege:
        log.warning("membership_not_revoked role=%r member=%r", granted, member)


def _mark_all(connection: Connection[Any], comments: dict[str, str]) -> datetime | None:
    """Mark roles that are not marked yet; return the time of the earliest mark."""
    mark, now = _mark(connection), datetime.now(UTC)
    marked_at = []
    for role, comment in comments.items():
        if comment.startswith(mark):
            marked_at.append(datetime.fromisoformat(comment.removeprefix(mark)))
            continue  # keeps its time: a repetition must not extend the grace period
        marked_at.append(now)
        set_comment(connection, role, mark + now.isoformat())
    return min(marked_at, default=None)


def _drop(
    connection: Connection[Any], server_url: str, role: str, exclusively: Exclusively
) -> bool:
    name = sql.Identifier(role)
    current = connection.info.dbname
    try:
        if not has_role(connection, role):
            return False
        for database in [current, *_databases(connection, role)]:
            _drop_owned(server_url, database, role, exclusively)
        connection.execute(sql.SQL("DROP ROLE {}").format(name))
    except psycopg.Error as error:
        databases = ", ".join(_databases(connection, role)) or "none"
        log.warning(
            "role_not_dropped role=%s error=%s databases=%s: see scout doctor",
            role,
            type(error).__name__,
            databases,
        )
        return False
    return True


def _drop_owned(server_url: str, database: str, role: str, exclusively: Exclusively) -> None:
    """Drop the objects of a role in one database, and revoke its privileges there."""
    try:
        with lock_holders.connected(server_url, database) as connection:
            while connection.execute(UNLINK_LARGE_OBJECTS.encode(), [role]).fetchone() != (0,):
                pass
            # Only readers have privileges in the store. They own nothing, so this is quick.
            with exclusively() if role.endswith(READER_SUFFIX) else nullcontext():
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
    except (psycopg.Error, ControlError) as error:
        log.debug("owned_not_dropped role=%s in=%s: %s", role, database, type(error).__name__)


def _databases(connection: Connection[Any], role: str) -> list[str]:
    return [name for (name,) in connection.execute(SELECT_DATABASES, [role]).fetchall()]


def set_comment(connection: Connection[Any], role: str, text: str) -> None:
    """Set the comment of a role."""
    statement = sql.SQL("COMMENT ON ROLE {} IS {}")
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(text)))


def _mark(connection: Connection[Any]) -> str:
    return MARK.format(database=connection.info.dbname)
