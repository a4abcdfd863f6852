"""The alias schema of a dataset: a name that people can type, for what they are to read.

Control owns it and everything in it. It is recognised by its owner and its comment, never by its
name alone: a schema that someone else created is neither used nor dropped, whatever it is called.
Control itself evaluates nothing of it. Independent of the store.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from scout_control.datasets import alias_views, role_retirement
from scout_control.rules import session_settings
from scout_control.rules.naming import login_role, reader_role
from scout_control.store.postgres import connect, has_role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

    from scout_control.datasets.alias_views import AliasView
    from scout_control.rules.naming import SchemaNames

log = logging.getLogger(__name__)

MARK = "alias of {owner}"
LONGEST_SECONDS = 60.0
"""How long a run may wait for its views; the next run makes those that are left."""
OUT_OF_TIME = "out of time"
# Readers wait less than a second. A function may name what does not exist by then: not checked.
SETTINGS: tuple[session_settings.Setting, ...] = (
    *session_settings.CONTROL,
    ("lock_timeout", "500ms"),
    ("check_function_bodies", "off"),
)
FIND = """
    SELECT nspname FROM pg_namespace
     WHERE nspowner = current_user::regrole
       AND obj_description(oid, 'pg_namespace') = %s
     ORDER BY nspname
"""
SELECT_VIEWS = """
    SELECT relname, array_agg(attname::text ORDER BY attnum)
      FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0
     WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
       AND relkind = 'v' AND relowner = current_user::regrole
     GROUP BY relname
"""
SELECT_FUNCTIONS = r"""
    SELECT proname FROM pg_proc
     WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
       AND proowner = current_user::regrole AND proname LIKE '\_scout\_%%'
"""
CAN_READ = "SELECT has_schema_privilege(%s, %s, 'USAGE')"


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """What was done to an alias schema."""

    renewed: int = 0
    left: dict[str, str] = field(default_factory=dict)
    """Views that are as they were, and why."""


def find(connection: Connection[Any], dataset: SchemaNames) -> list[str]:
    """Return the alias schemas of a dataset: one, or none."""
    rows = connection.execute(FIND, [MARK.format(owner=dataset.owner)]).fetchall()
    return [name for (name,) in rows]


def create(connection: Connection[Any], dataset: SchemaNames, name: str) -> bool:
    """Create the alias schema of a dataset; return False if a schema of that name exists."""
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
            _comment(connection, name, dataset)
    except psycopg.errors.DuplicateSchema:
        return False
    return True


def rename(connection: Connection[Any], present: str, name: str) -> bool:
    """Rename an alias schema; return False if a schema of that name exists."""
    statement = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
    try:
        connection.execute(statement.format(sql.Identifier(present), sql.Identifier(name)))
    except psycopg.errors.DuplicateSchema:
        return False
    return True


def set_search_path(connection: Connection[Any], dataset: SchemaNames, alias: str) -> None:
    """Let the sessions of tools look into the alias schema first."""
    roles = role_retirement.roles_of_people(connection, dataset)
    for role in (login_role(dataset.schema), *roles):
        if has_role(connection, role):
            set_path_of_role(connection, role, (alias, dataset.schema))


def set_path_of_role(connection: Connection[Any], role: str, schemas: Iterable[str]) -> None:
    """Let the sessions of a role look into these schemas."""
    path = sql.SQL(", ").join(map(sql.Identifier, schemas))
    statement = sql.SQL("ALTER ROLE {} SET search_path TO {}").format(sql.Identifier(role), path)
    connection.execute(statement)


def renew(
    server_url: str, dataset: SchemaNames, alias: str, longest_seconds: float = LONGEST_SECONDS
) -> Renewal:
    """Make the views of an alias schema as its dataset schema is now.

    Each view has its own transaction. One that is in use stays as it is until the next run.

    Args:
        server_url: The server of the schemas.
        dataset: The dataset.
        alias: The alias schema, which exists.
        longest_seconds: How long making views may take.

    Raises:
        psycopg.Error: Postgres refused something else.
    """
    with connect(server_url, autocommit=True, settings=SETTINGS) as connection:
        functions = _grant(connection, dataset, alias)
        views = dict(connection.execute(SELECT_VIEWS, [alias]).fetchall())
        names = {
            "alias": alias,
            "schema": dataset.schema,
            "reader": reader_role(dataset.schema),
        }
        limits = [dataset.schema, alias_views.MAX_COLUMNS]
        rows = connection.execute(alias_views.RELATIONS.encode(), limits).fetchall()
        wanted = alias_views.views_of(map(alias_views.to_relation, rows), views, names)
        stale = [each for each in wanted if each.function not in functions]
        stale += [each for each in wanted if each.relation.name not in views and each not in stale]
        left = _create(connection, stale, time.monotonic() + longest_seconds)
        known = {each.relation.name for each in wanted}
        _drop(connection, alias, sorted(set(views) - known), left)
        _drop_functions(connection, alias, functions - {each.function for each in wanted})
    return Renewal(renewed=len(stale) - len(left.keys() & known), left=left)


def _grant(connection: Connection[Any], dataset: SchemaNames, alias: str) -> set[str]:
    """Let readers use the schema; return its functions that they can use already."""
    reader = reader_role(dataset.schema)
    rows = connection.execute(SELECT_FUNCTIONS.encode(), [alias]).fetchall()
    functions = {name for (name,) in rows}
    if connection.execute(CAN_READ, [reader, alias]).fetchone() == (True,):
        return functions
    # The role is new, and has no privileges on anything that is there.
    statement = sql.SQL("GRANT USAGE ON SCHEMA {} TO {}")
    connection.execute(statement.format(sql.Identifier(alias), sql.Identifier(reader)))
    for name in functions:
        with connection.transaction():
            _execute(connection, _drop_function(alias, name, cascade=True))
    return set()


def _create(
    connection: Connection[Any], views: Iterable[AliasView], until: float
) -> dict[str, str]:
    """Create or replace views; return those that could not be, and why."""
    left = {}
    for view in views:
        if time.monotonic() > until:
            left[view.relation.name] = OUT_OF_TIME
            continue
        why = _try(connection, view.statements())
        if why == "42P16":  # a column was dropped, or has another type
            why = _try(connection, view.drop() + sql.SQL("; ") + view.statements())
        if why:
            left[view.relation.name] = why
    return left


def _drop(
    connection: Connection[Any], alias: str, names: Iterable[str], left: dict[str, str]
) -> None:
    for name in names:
        if why := _try(connection, alias_views.drop_view(alias, name)):
            left[name] = why


def _drop_functions(connection: Connection[Any], alias: str, names: Iterable[str]) -> None:
    """Drop functions of earlier views; one whose view could not be replaced stays in use."""
    for name in names:
        _try(connection, _drop_function(alias, name))


def _drop_function(alias: str, name: str, *, cascade: bool = False) -> sql.Composed:
    statement = sql.SQL("DROP FUNCTION IF EXISTS {}()" + (" CASCADE" if cascade else ""))
    return statement.format(sql.Identifier(alias, name))


def _try(connection: Connection[Any], statements: sql.Composed) -> str | None:
    """Execute statements in a transaction; return the SQLSTATE if that failed.

    Raises:
        psycopg.OperationalError: The connection is lost.
    """
    try:
        with connection.transaction():
            _execute(connection, statements)
    except psycopg.Error as error:
        if connection.closed or error.sqlstate is None:
            raise
        return error.sqlstate
    return None


def _execute(connection: Connection[Any], statements: sql.Composed) -> None:
    # As text without parameters: a comment may contain their marks.
    connection.execute(statements.as_string(connection).encode())


def _comment(connection: Connection[Any], name: str, dataset: SchemaNames) -> None:
    mark = sql.Literal(MARK.format(owner=dataset.owner))
    connection.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(name), mark))
