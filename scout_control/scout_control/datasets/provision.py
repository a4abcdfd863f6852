"""Makes the place that a dataset lives in: its schema, who may write it, who may read it.

Isolation is held by the database: the writer may create nothing outside its dataset schema and read
no other, the reader only reads. The schema itself belongs to control, so that no run can change
whose it is. The writer may log in while a run lasts, with a password made for that run. Everything
may be called again, also by several at once. Knows no run and no source.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.errors import NotFoundError, OwnershipError, ServerError
from scout_control.rules import session_settings
from scout_control.rules.naming import Names, is_owner, reader_role, writer_role
from scout_control.store.postgres import (
    AT_ONCE,
    SECONDS_BETWEEN_TRIES,
    TRIES_AT_ONCE,
    connect,
    with_login,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Cursor

LONGEST_LOGIN = "3 days"  # several times the longest run: what ends a login is the end of its run
LEFT_OVER = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
# First match wins; what Postgres answers is never quoted, since it may hold names of other owners.
REMEDIES = (
    ("55P03", "Another session holds a lock there: end it, or run again after it."),
    ("42501", "Give the role that control connects as CREATEROLE, and CREATE on the database."),
    ("53", "The server is out of disk, memory or connections: free some, then run again."),
    ("", "Look into the server's log, then run again."),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a dataset lives, and the login of one run that may write there."""

    schema: str
    owner: str
    reader: str
    writer: str
    password: str = field(repr=False)

    def url(self, server_url: str) -> str:
        """Return the server's URL with the writer's login."""
        return with_login(server_url, self.writer, self.password)


def provision(server_url: str, dataset: Names) -> Place:
    """Make sure that the dataset's schema and roles are there, and mint a login for one run.

    Raises:
        OwnershipError: A schema of that name is there and is not this dataset's.
        ServerError: The server does not answer, or does not let us.
    """
    place = Place(
        schema=dataset.schema,
        owner=dataset.owner,
        reader=reader_role(dataset.schema),
        writer=writer_role(dataset.schema),
        password=secrets.token_urlsafe(32),
    )
    for tries in range(1, TRIES_AT_ONCE + 1):
        try:
            _provision(server_url, place)
        except psycopg.Error as error:
            if error.sqlstate not in AT_ONCE or tries == TRIES_AT_ONCE:
                raise _refusal(error, place.schema) from None
            time.sleep(SECONDS_BETWEEN_TRIES * tries)
        else:
            break
    return place


def _provision(server_url: str, place: Place) -> None:
    with connect(server_url) as connection, connection.cursor() as cursor:
        _check_owner(cursor, place)
        _make_roles(cursor, place)
        _make_schema(cursor, place)


def end_login(server_url: str, writer: str) -> None:
    """Let a writer log in no longer, and end the sessions that it has left.

    Raises:
        ServerError: The server does not answer, or does not let us.
    """
    try:
        with connect(server_url, autocommit=True) as connection:
            if connection.execute(HAS_ROLE, [writer]).fetchone() is None:
                return
            statement = sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL")
            connection.execute(statement.format(sql.Identifier(writer)))
            connection.execute(LEFT_OVER, [writer])
    except psycopg.Error as error:
        raise _refusal(error, writer) from None


def let_read(
    server_url: str, schema: str, members: Iterable[str], *, may_lack: bool = False
) -> list[str]:
    """Let exactly these roles read a dataset schema; whoever is not named no longer may.

    Args:
        server_url: Where the schema is.
        schema: The schema.
        members: The roles.
        may_lack: Pass over roles that the database does not have.

    Returns:
        The roles that the database does not have.

    Raises:
        NotFoundError: There are such roles, and none may be lacking; nothing was changed.
        ServerError: The database refused.
    """
    try:
        with connect(server_url) as connection, connection.cursor() as cursor:
            cursor.execute(ABSENT, [sorted(set(members))])
            absent = [name for (name,) in cursor.fetchall()]
            if absent and not may_lack:
                raise NotFoundError(
                    f"The database has no role {', '.join(map(repr, absent))}.",
                    "Create it, or leave it out: scout datasets share",
                )
            _set_members(cursor, reader_role(schema), set(members) - set(absent))
    except psycopg.Error as error:
        raise _refusal(error, schema) from None
    return absent


def _set_members(cursor: Cursor[Any], role: str, wanted: set[str]) -> None:
    cursor.execute(MEMBERS, [role])
    present = {name for (name,) in cursor.fetchall()}
    reader = sql.Identifier(role)
    for name in sorted(present - wanted):
        cursor.execute(sql.SQL("REVOKE {} FROM {}").format(reader, sql.Identifier(name)))
    for name in sorted(wanted - present):
        cursor.execute(sql.SQL("GRANT {} TO {}").format(reader, sql.Identifier(name)))


HAS_ROLE = "SELECT FROM pg_roles WHERE rolname = %s"
MEMBERS = """
    SELECT member.rolname
      FROM pg_auth_members
      JOIN pg_roles AS granted ON granted.oid = roleid
      JOIN pg_roles AS member ON member.oid = pg_auth_members.member
     WHERE granted.rolname = %s AND member.rolname <> current_user
"""
ABSENT = """
    SELECT name FROM unnest(%s::text[]) AS name
     WHERE name NOT IN (SELECT rolname FROM pg_roles) ORDER BY name
"""


def _check_owner(cursor: Cursor[Any], place: Place) -> None:
    cursor.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s",
        [place.schema],
    )
    found = cursor.fetchone()
    if found and not is_owner(found[0], place.owner):
        raise OwnershipError(
            f"The schema {place.schema} is there already and belongs to another owner.",
            "Nothing was changed. Rename or drop that schema, then run again.",
        )


def _make_roles(cursor: Cursor[Any], place: Place) -> None:
    cursor.execute(
        "SELECT rolname, pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_roles"
        " WHERE rolname = ANY(%s)",
        [[place.reader, place.writer]],
    )
    present = dict(cursor.fetchall())
    for role in sorted({place.reader, place.writer}):
        if role not in present:
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        elif present[role] == place.owner:
            continue
        cursor.execute(
            sql.SQL("COMMENT ON ROLE {} IS {}").format(
                sql.Identifier(role), sql.Literal(place.owner)
            )
        )
    writer = sql.Identifier(place.writer)
    scrambled = cursor.connection.pgconn.encrypt_password(
        place.password.encode(), place.writer.encode(), b"scram-sha-256"
    )
    cursor.execute("SELECT (now() + %s::interval)::text", [LONGEST_LOGIN])
    [(until,)] = cursor.fetchall()
    cursor.execute(
        sql.SQL("ALTER ROLE {} LOGIN PASSWORD {} VALID UNTIL {}").format(
            writer, sql.Literal(scrambled.decode()), sql.Literal(until)
        )
    )
    for name, value in (("search_path", place.schema), *session_settings.PLAIN):
        cursor.execute(
            sql.SQL("ALTER ROLE {} SET {} TO {}").format(
                writer, sql.Identifier(name), sql.Literal(value)
            )
        )
    cursor.execute("SELECT pg_has_role(%s, 'USAGE')", [place.writer])
    if not cursor.fetchone()[0]:  # type: ignore[index]  # one row, always
        cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(writer))


def _make_schema(cursor: Cursor[Any], place: Place) -> None:
    names = {
        "schema": sql.Identifier(place.schema),
        "reader": sql.Identifier(place.reader),
        "writer": sql.Identifier(place.writer),
        "owner": sql.Literal(place.owner),
    }
    for statement in SCHEMA:
        cursor.execute(sql.SQL(statement).format(**names))


SCHEMA = (
    "CREATE SCHEMA IF NOT EXISTS {schema}",
    "COMMENT ON SCHEMA {schema} IS {owner}",
    "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC",
    "GRANT USAGE, CREATE ON SCHEMA {schema} TO {writer}",
    "GRANT USAGE ON SCHEMA {schema} TO {reader}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {writer} IN SCHEMA {schema} "
    "GRANT SELECT ON TABLES TO {reader}",
)


def _refusal(error: psycopg.Error, schema: str) -> ServerError:
    """Say what was refused without quoting Postgres."""
    state = error.sqlstate or ""
    remedy = next(text for prefix, text in REMEDIES if state.startswith(prefix))
    cause = (
        f"Postgres refused to make the place {schema} ({type(error).__name__}, SQLSTATE {state})."
    )
    return ServerError(cause, remedy)
