"""Provisions a dataset's schema and its roles: a writer, which loads it, and a reader.

The database enforces isolation: the writer can create objects only in its dataset schema and read
no other one, the reader only reads. Control owns the schema itself, so that no run can change its
owner. The writer can log in only during a run, with a password generated for that run. All
functions are idempotent and safe to call concurrently. Independent of runs and sources.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.errors import OwnershipError, ServerError
from scout_control.rules import session_settings
from scout_control.rules.naming import (
    SchemaNames,
    is_owner,
    reader_role,
    writer_role,
)
from scout_control.store import postgres
from scout_control.store.postgres import (
    CONCURRENT_DDL,
    MAX_DDL_TRIES,
    SECONDS_BETWEEN_TRIES,
    connect,
    has_role,
    join_role,
    set_login,
    statement_error,
    url_as_role,
)

if TYPE_CHECKING:
    from psycopg import Cursor

LOGIN_VALIDITY = "3 days"  # a safety net: the login is disabled at the end of the run
TERMINATE_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
# By SQLSTATE prefix, first match wins.
REMEDIES = (
    ("55P03", "Another session holds a lock there: end it, or retry when it has ended."),
    ("42501", "Grant the role of control CREATEROLE, and CREATE on the database."),
    ("53", "The server is out of disk, memory or connections: free some, then retry."),
    ("", "Check the server's log, then retry."),
)


@dataclass(frozen=True, kw_only=True)
class ProvisionedSchema:
    """A dataset's schema with its roles, and the writer's password for one run."""

    schema: str
    owner: str
    reader: str
    writer: str
    password: str = field(repr=False)

    def url(self, server_url: str) -> str:
        """Return the server's URL with the writer's role and password."""
        return url_as_role(server_url, self.writer, self.password)


def provision(server_url: str, dataset: SchemaNames) -> ProvisionedSchema:
    """Create a dataset's schema and roles if missing, and set a password for one run.

    Raises:
        OwnershipError: A schema of that name exists and belongs to another owner.
        ServerError: The server does not answer, or lacks a privilege.
    """
    provisioned = ProvisionedSchema(
        schema=dataset.schema,
        owner=dataset.owner,
        reader=reader_role(dataset.schema),
        writer=writer_role(dataset.schema),
        password=secrets.token_urlsafe(32),
    )
    for tries in range(1, MAX_DDL_TRIES + 1):
        try:
            _provision(server_url, provisioned)
        except psycopg.Error as error:
            if error.sqlstate not in CONCURRENT_DDL or tries == MAX_DDL_TRIES:
                raise provision_error(error, provisioned.schema) from None
            time.sleep(SECONDS_BETWEEN_TRIES * tries)
        else:
            break
    return provisioned


def _provision(server_url: str, provisioned: ProvisionedSchema) -> None:
    # One transaction: nothing is created for a schema of another owner, or half of it.
    with connect(server_url) as connection, connection.cursor() as cursor:
        _check_owner(cursor, provisioned)
        _create_roles(cursor, provisioned)
        _create_schema(cursor, provisioned)


def disable_login(server_url: str, role: str) -> None:
    """Disable the login of a dataset's role and terminate its remaining sessions.

    Raises:
        ServerError: The server does not answer, or lacks a privilege.
    """
    try:
        with connect(server_url, autocommit=True) as connection:
            if not has_role(connection, role):
                return
            # In this order: a terminated session could otherwise log in again.
            postgres.disable_login(connection, role)
            connection.execute(TERMINATE_SESSIONS, [role])
    except psycopg.Error as error:
        raise provision_error(error, role) from None


def _check_owner(cursor: Cursor[Any], provisioned: ProvisionedSchema) -> None:
    cursor.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s",
        [provisioned.schema],
    )
    row = cursor.fetchone()
    if row and not is_owner(row[0], provisioned.owner):
        raise OwnershipError(
            f"The schema {provisioned.schema} already exists and belongs to another owner.",
            "Nothing was changed. Rename or drop that schema, then retry.",
        )


def _create_roles(cursor: Cursor[Any], provisioned: ProvisionedSchema) -> None:
    cursor.execute(
        "SELECT rolname, pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_roles"
        " WHERE rolname = ANY(%s)",
        [[provisioned.reader, provisioned.writer]],
    )
    comments = dict(cursor.fetchall())
    for role in sorted({provisioned.reader, provisioned.writer}):
        if role not in comments:
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        elif comments[role] == provisioned.owner:
            continue
        cursor.execute(
            sql.SQL("COMMENT ON ROLE {} IS {}").format(
                sql.Identifier(role), sql.Literal(provisioned.owner)
            )
        )
    writer = sql.Identifier(provisioned.writer)
    # The server's clock decides about VALID UNTIL.
    cursor.execute("SELECT (now() + %s::interval)::text", [LOGIN_VALIDITY])
    [(until,)] = cursor.fetchall()
    set_login(cursor.connection, provisioned.writer, provisioned.password, valid_until=until)
    # For sessions of plugins, which set none of this themselves.
    for name, value in (("search_path", provisioned.schema), *session_settings.STANDARD):
        cursor.execute(
            sql.SQL("ALTER ROLE {} SET {} TO {}").format(
                writer, sql.Identifier(name), sql.Literal(value)
            )
        )
    join_role(cursor.connection, provisioned.writer)


def _create_schema(cursor: Cursor[Any], provisioned: ProvisionedSchema) -> None:
    names = {
        "schema": sql.Identifier(provisioned.schema),
        "reader": sql.Identifier(provisioned.reader),
        "writer": sql.Identifier(provisioned.writer),
        "owner": sql.Literal(provisioned.owner),
    }
    for statement in CREATE_SCHEMA:
        cursor.execute(sql.SQL(statement).format(**names))


CREATE_SCHEMA = (
    "CREATE SCHEMA IF NOT EXISTS {schema}",
    "COMMENT ON SCHEMA {schema} IS {owner}",
    "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC",
    "GRANT USAGE, CREATE ON SCHEMA {schema} TO {writer}",
    "GRANT USAGE ON SCHEMA {schema} TO {reader}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}",
    # Tables that the writer creates later are readable, too.
    "ALTER DEFAULT PRIVILEGES FOR ROLE {writer} IN SCHEMA {schema} "
    "GRANT SELECT ON TABLES TO {reader}",
)


def provision_error(error: psycopg.Error, schema: str) -> ServerError:
    """Return the error for what Postgres refused of a dataset's schema or roles."""
    state = error.sqlstate or ""
    remedy = next(text for prefix, text in REMEDIES if state.startswith(prefix))
    return statement_error(f"Postgres could not provision {schema}", error, remedy)
