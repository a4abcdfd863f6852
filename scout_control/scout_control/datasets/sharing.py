"""Shares a dataset schema with roles of the database: they become members of its reader role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import select

from scout_control.datasets.provision import provision_error
from scout_control.datasets.role_retirement import OF_PERSON
from scout_control.errors import NotFoundError, SettingsError
from scout_control.rules import reader_roles
from scout_control.rules.naming import reader_role, roles_of
from scout_control.store.models import Dataset, ServiceLogin
from scout_control.store.postgres import connect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Cursor

    from scout_control.installation.installation import Installation

MEMBERS = """
    SELECT member.rolname
      FROM pg_auth_members
      JOIN pg_roles AS granted ON granted.oid = roleid
      JOIN pg_roles AS member ON member.oid = pg_auth_members.member
     WHERE granted.rolname = %(reader)s AND member.rolname <> current_user
       AND NOT starts_with(
               coalesce(pg_catalog.shobj_description(member.oid, 'pg_authid'), ''), %(mark)s
           )
"""
MISSING_ROLES = """
    SELECT name FROM unnest(%s::text[]) AS name
     WHERE name NOT IN (SELECT rolname FROM pg_roles) ORDER BY name
"""
# Control's own role, and roles of datasets, are recognised whatever they are called. A role that
# the reader is a member of cannot become a member of it.
UNSUITABLE = """
    SELECT rolname,
           CASE WHEN rolsuper
                THEN 'is a superuser, with whose privileges functions in views would run'
                WHEN rolname = current_user
                     OR starts_with(coalesce(shobj_description(oid, 'pg_authid'), ''), 'scout')
                THEN 'is a role that Scout uses itself'
                WHEN rolcreaterole OR rolbypassrls OR rolreplication
                THEN 'can do more than read: it may create roles, bypass policies or replicate'
                ELSE 'is a role that the reader of the dataset is a member of' END
      FROM pg_catalog.pg_roles AS role
     WHERE rolname = ANY(%(names)s)
       AND (rolsuper OR rolcreaterole OR rolbypassrls OR rolreplication OR rolname = current_user
            OR starts_with(coalesce(shobj_description(oid, 'pg_authid'), ''), 'scout')
            OR EXISTS (SELECT FROM pg_roles AS reader WHERE reader.rolname = %(reader)s
                          AND pg_has_role(reader.oid, role.oid, 'MEMBER')))
     ORDER BY rolname
"""


def check_names(installation: Installation, names: Iterable[str]) -> None:
    """Check by their names that a dataset can be shared with these roles.

    Raises:
        SettingsError: One is a role of Postgres or of Scout.
    """
    own = own_roles(installation, names)
    for name in names:
        if why := reader_roles.find_error(name) or own.get(name):
            raise unsuitable(name, why)


def unsuitable(name: str, why: str) -> SettingsError:
    """Return the error for a role with which nothing is shared."""
    return SettingsError(
        f"The role {name!r} {why}.",
        "Share with roles that only read, such as one made by: CREATE ROLE analysts NOLOGIN",
    )


def own_roles(installation: Installation, names: Iterable[str]) -> dict[str, str]:
    """Return which of these roles are those of datasets, or of control itself, and why not."""
    with installation.store.begin() as session:
        schemas = {name.rpartition("_")[0] for name in names if name.isprintable()}
        known = session.scalars(select(Dataset.schema_name).where(Dataset.schema_name.in_(schemas)))
        of_datasets = {role for schema in known for role in roles_of(schema)}
        services = set(session.scalars(select(ServiceLogin.role)))
    urls = [installation.store.driver_url, *installation.usable_server_urls()]
    users = {str(conninfo_to_dict(url).get("user")) for url in urls}
    return dict.fromkeys(of_datasets | services | users, "is a role that Scout uses itself")


def set_readers(
    server_url: str, schema: str, members: Iterable[str], *, skip_missing: bool = False
) -> list[str]:
    """Let exactly these roles read a dataset schema, and revoke access from all others.

    Args:
        server_url: The server of the schema.
        schema: The dataset schema.
        members: The roles that may read.
        skip_missing: Ignore roles that do not exist, or that nothing can be shared with.

    Returns:
        The roles that were ignored.

    Raises:
        NotFoundError: A role does not exist and ``skip_missing`` is not set; nothing was changed.
        SettingsError: The same for a role of Postgres or Scout, or that can do more than read.
        ServerError: The database reported an error.
    """
    wanted = set(members)
    try:
        with connect(server_url) as connection, connection.cursor() as cursor:
            missing = _missing(cursor, schema, wanted, skip_missing=skip_missing)
            _set_members(cursor, schema, wanted - set(missing))
    except psycopg.Error as error:
        raise provision_error(error, schema) from None
    return missing


def _missing(
    cursor: Cursor[Any], schema: str, wanted: Iterable[str], *, skip_missing: bool
) -> list[str]:
    names = [name for name in sorted(wanted) if reader_roles.find_error(name) is None]
    cursor.execute(UNSUITABLE.encode(), {"names": names, "reader": reader_role(schema)})
    refused = dict(cursor.fetchall())
    refused |= {name: why for name in wanted if (why := reader_roles.find_error(name))}
    if refused and not skip_missing:
        raise unsuitable(*next(iter(refused.items())))
    cursor.execute(MISSING_ROLES, [names])
    missing = [name for (name,) in cursor.fetchall()]
    if missing and not skip_missing:
        raise NotFoundError(
            f"Roles missing in the database: {', '.join(map(repr, missing))}.",
            f"Create them, or omit them: scout datasets share {schema} ROLE...",
        )
    return [*missing, *sorted(refused)]


def _set_members(cursor: Cursor[Any], schema: str, wanted: set[str]) -> None:
    of_people = OF_PERSON.format(database=cursor.connection.info.dbname)
    cursor.execute(MEMBERS, {"reader": reader_role(schema), "mark": of_people})
    # The dataset's own roles are members too, and may be created at any time.
    present = {name for (name,) in cursor.fetchall()} - set(roles_of(schema))
    reader = sql.Identifier(reader_role(schema))
    for name in sorted(present - wanted):
        cursor.execute(sql.SQL("REVOKE {} FROM {}").format(reader, sql.Identifier(name)))
    for name in sorted(wanted - present):
        cursor.execute(sql.SQL("GRANT {} TO {}").format(reader, sql.Identifier(name)))
