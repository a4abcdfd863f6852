"""Checks the Postgres servers that hold data: privileges of control's role and of PUBLIC."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from scout_control.api.views import Finding
from scout_control.errors import ControlError
from scout_control.store.postgres import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scout_control.installation.installation import Installation

# From this version a role with CREATEROLE can grant only roles that it administers.
RESTRICTED_CREATEROLE = 160000
PRIVILEGES = """
    SELECT rolname, rolsuper, rolcreaterole, current_database(), EXISTS (
               SELECT FROM pg_namespace AS space
                WHERE nspname = 'public' AND has_schema_privilege('public', space.oid, 'CREATE')
           )
      FROM pg_roles WHERE rolname = current_user
"""
OPEN_PUBLIC = "any role may create objects in the schema public"
CLOSE_PUBLIC = "In the database {database}, run: REVOKE CREATE ON SCHEMA public FROM PUBLIC"
SUPERUSER = "{role} is a superuser: it can read and write everything, and run programs there"
NO_SUPERUSER = (
    "Give scout a role with LOGIN and CREATEROLE that owns its database, and transfer what "
    "{role} created: REASSIGN OWNED"
)
NEARLY_SUPERUSER = (
    "before PostgreSQL 16 a role with CREATEROLE, such as {role}, can grant itself any role but a "
    "superuser, including pg_execute_server_program"
)
PROTECT_IT = "Protect its password like a superuser's, keep other databases elsewhere, or upgrade."


def check(installation: Installation) -> Iterator[Finding]:
    """Check the servers of the store and of all connections."""
    for url, name in installation.usable_server_urls().items():
        with suppress(ControlError, psycopg.Error):  # the check of connections reports these
            yield from _check(url, name)


def _check(url: str, name: str) -> Iterator[Finding]:
    with connect(url) as connection:
        version = connection.info.server_version
        [(role, is_super, can_create_roles, database, is_open)] = connection.execute(
            PRIVILEGES
        ).fetchall()
    is_nearly_super = can_create_roles and not is_super and version < RESTRICTED_CREATEROLE
    names = {"role": role, "database": database}
    for subject, applies, is_well, finding, remedy in (
        ("role", is_super, True, SUPERUSER, NO_SUPERUSER),
        ("role", is_nearly_super, True, NEARLY_SUPERUSER, PROTECT_IT),
        ("public", is_open, False, OPEN_PUBLIC, CLOSE_PUBLIC),
    ):
        if applies:
            yield Finding(
                check=f"{subject} of {name}",
                is_well=is_well,
                finding=finding.format(**names),
                remedy=remedy.format(**names),
            )
