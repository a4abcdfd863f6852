"""Takes the roles of a dataset out of use, and removes them once nothing is left that they own.

A role can own things in any database of its server, where we may not reach them. Such a role never
keeps data from being dropped: it loses its login and its access, is marked in its comment, and is
tried again every day. The mark is on the server, where the role is, and goes with it.
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
from scout_control.rules.naming import READER_SUFFIX, query_role, reader_role, writer_role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from psycopg import Connection

    from scout_control.rules.naming import Names

    InTurn = Callable[[], AbstractContextManager[None]]

log = logging.getLogger(__name__)

MARK = "scout: retired from {database} at "
MOST_TRIES = 5
COMMENTS = """
    SELECT rolname, coalesce(shobj_description(oid, 'pg_authid'), '')
      FROM pg_roles WHERE rolname = ANY(%s) ORDER BY rolname
"""
GRANTEES = """
    SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(rolname) END
      FROM pg_namespace, LATERAL aclexplode(nspacl) LEFT JOIN pg_roles ON pg_roles.oid = grantee
     WHERE nspname = %s AND grantee <> nspowner AND (grantee = 0 OR rolname IS NOT NULL)
"""
MEMBERSHIPS = """
    SELECT granted.rolname, member.rolname
      FROM pg_auth_members
      JOIN pg_roles AS granted ON granted.oid = roleid
      JOIN pg_roles AS member ON member.oid = pg_auth_members.member
     WHERE (granted.rolname = ANY(%(roles)s) AND member.rolname <> current_user)
        OR member.rolname = ANY(%(roles)s)
"""
MARKED = """
    SELECT rolname FROM pg_roles
     WHERE starts_with(shobj_description(oid, 'pg_authid'), %s)
       AND NOT EXISTS (SELECT FROM pg_namespace
                        WHERE nspname IN (left(rolname, -3), left(rolname, -6)))
     ORDER BY rolname
"""
# Databases in which something refers to a role, or that themselves do.
DATABASES = """
    SELECT DISTINCT datname
      FROM pg_shdepend
      JOIN pg_database ON pg_database.oid = CASE dbid WHEN 0 THEN objid ELSE dbid END
     WHERE refclassid = 'pg_authid'::regclass AND (dbid <> 0 OR classid = 'pg_database'::regclass)
       AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = %s)
     ORDER BY datname
"""
# A transaction can lock some thousands of objects.
UNLINK = """
    SELECT count(lo_unlink(oid)) FROM (
        SELECT oid FROM pg_largeobject_metadata
         WHERE lomowner = (SELECT oid FROM pg_roles WHERE rolname = %s) LIMIT 1000
    ) AS bite
"""


@dataclass(frozen=True, kw_only=True)
class LeftRole:
    """A role that could not be dropped yet, and where something refers to it."""

    name: str
    databases: list[str]


def roles(schema: str) -> list[str]:
    """Return the names of all roles that a dataset may have."""
    return [query_role(schema), writer_role(schema), reader_role(schema)]


def retire(connection: Connection[Any], dataset: Names) -> datetime | None:
    """Let the roles of a dataset log in no longer, and no role reach its schema.

    Returns:
        Since when that is so; nothing when the dataset has no roles.
    """
    for attempt in range(MOST_TRIES):
        try:
            with connection.transaction():
                return _retire(connection, dataset.schema)
        except psycopg.errors.InternalError_:  # another session changed the same role or schema
            if attempt == MOST_TRIES - 1:
                raise
    return None


def bring_back(connection: Connection[Any], dataset: Names) -> None:
    """Take the marks off the roles of a dataset that is loaded again."""
    for role, comment in connection.execute(COMMENTS, [roles(dataset.schema)]).fetchall():
        if comment.startswith(_mark(connection)):
            _comment(connection, role, dataset.owner)


def remove(server_url: str, names: Sequence[str], in_turn: InTurn) -> int:
    """Drop roles that were retired, with all that they own; return how many could be.

    Args:
        server_url: Where their dataset schema was.
        names: The roles.
        in_turn: Keeps apart what changes who may reach the store: these are the same rows.
    """
    try:
        with lock_holders.connected(server_url) as connection:
            return sum(_remove(connection, server_url, name, in_turn) for name in names)
    except (psycopg.Error, ServerError) as error:
        log.warning("roles_left roles=%s error=%s", names, type(error).__name__)
        return 0


def remove_marked(server_url: str, in_turn: InTurn) -> int:
    """Try again to drop what roles were left behind in a database; return how many could be.

    Raises:
        ServerError: The server does not answer, or failed.
    """
    try:
        with lock_holders.connected(server_url) as connection:
            names = [name for (name,) in connection.execute(MARKED, [_mark(connection)])]
    except psycopg.Error as error:
        raise ServerError.of_postgres(error, error.sqlstate) from None
    return remove(server_url, names, in_turn)


def left(connection: Connection[Any]) -> list[LeftRole]:
    """Return the roles that were left behind in a database."""
    names = [name for (name,) in connection.execute(MARKED, [_mark(connection)])]
    return [LeftRole(name=name, databases=_databases(connection, name)) for name in names]


def _retire(connection: Connection[Any], schema: str) -> datetime | None:
    found = dict(connection.execute(COMMENTS, [roles(schema)]).fetchall())
    for role in found:
        name = sql.Identifier(role)
        # Directly: a membership through the query role ends with that role.
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(name))
    for (grantee,) in connection.execute(GRANTEES, [schema]).fetchall():
        revoke = f"REVOKE ALL ON SCHEMA {{}} FROM {grantee} CASCADE"  # quoted by the server
        connection.execute(sql.SQL(revoke).format(sql.Identifier(schema)))
    for granted, member in connection.execute(MEMBERSHIPS, {"roles": list(found)}).fetchall():
        _revoke_membership(connection, granted, member)
    return _marked_at(connection, found)


def _revoke_membership(connection: Connection[Any], granted: str, member: str) -> None:
    """Take a role away from another; what a superuser granted goes with the role itself."""
    names = (sql.Identifier(granted), sql.Identifier(member))
    try:
        with connection.transaction():
            connection.execute(sql.SQL("REVOKE {} FROM {}").format(*names))
    except psycopg.errors.InsufficientPrivilege:
        log.warning("membership_left role=%r member=%r", granted, member)


def _marked_at(connection: Connection[Any], found: dict[str, str]) -> datetime | None:
    """Mark roles that are not marked yet; return since when the first one is."""
    mark, now = _mark(connection), datetime.now(UTC)
    moments = []
    for role, comment in found.items():
        if comment.startswith(mark):
            moments.append(datetime.fromisoformat(comment.removeprefix(mark)))
            continue
        moments.append(now)
        _comment(connection, role, mark + now.isoformat())
    return min(moments, default=None)


def _remove(connection: Connection[Any], server_url: str, role: str, in_turn: InTurn) -> bool:
    name = sql.Identifier(role)
    here = connection.info.dbname
    try:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
            return False
        for database in [here, *_databases(connection, role)]:
            _disown(server_url, database, role, in_turn)
        connection.execute(sql.SQL("DROP ROLE {}").format(name))
    except psycopg.Error as error:
        databases = ", ".join(_databases(connection, role)) or "none"
        log.warning(
            "role_left role=%s error=%s databases=%s: see scout doctor",
            role,
            type(error).__name__,
            databases,
        )
        return False
    return True


def _disown(server_url: str, database: str, role: str, in_turn: InTurn) -> None:
    """Drop what a role owns in one database, and take away what it was granted there."""
    try:
        with lock_holders.connected(server_url, database) as connection:
            while connection.execute(UNLINK.encode(), [role]).fetchone() != (0,):
                pass
            # Only a reader was granted something in the store; and it owns nothing, so it is quick.
            with in_turn() if role.endswith(READER_SUFFIX) else nullcontext():
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
    except (psycopg.Error, ControlError) as error:
        log.debug("not_disowned role=%s in=%s: %s", role, database, type(error).__name__)


def _databases(connection: Connection[Any], role: str) -> list[str]:
    return [name for (name,) in connection.execute(DATABASES, [role]).fetchall()]


def _comment(connection: Connection[Any], role: str, text: str) -> None:
    statement = sql.SQL("COMMENT ON ROLE {} IS {}")
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(text)))


def _mark(connection: Connection[Any]) -> str:
    return MARK.format(database=connection.info.dbname)
