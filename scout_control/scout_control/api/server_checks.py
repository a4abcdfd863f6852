"""What the servers that hold data let others do, and what control's own role could do there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import select

from scout_control.api.views import Finding
from scout_control.errors import ControlError
from scout_control.store.models import Connection
from scout_control.store.postgres import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scout_control.installation.installation import Site

TAME_CREATEROLE = 160000
RIGHTS = """
    SELECT rolname, rolsuper, rolcreaterole, current_database(), EXISTS (
               SELECT FROM pg_namespace AS space
                WHERE nspname = 'public' AND has_schema_privilege('public', space.oid, 'CREATE')
           )
      FROM pg_roles WHERE rolname = current_user
"""
OPEN_PUBLIC = "any role may create objects in the schema public"
CLOSE_PUBLIC = "Close it, in the database {database}: REVOKE CREATE ON SCHEMA public FROM PUBLIC"
SUPERUSER = "{role} is a superuser: it may read and write everything, and run programs there"
NO_SUPERUSER = (
    "Give scout a role with LOGIN, CREATEROLE and the database of its own, and let it own what "
    "{role} made: REASSIGN OWNED"
)
NEARLY_SUPERUSER = (
    "before PostgreSQL 16 a role with CREATEROLE, as {role}, may make itself a member of any role "
    "but a superuser, also of pg_execute_server_program"
)
GUARD_IT = "Guard its login like a superuser's, keep other databases elsewhere, or upgrade."


def check(site: Site) -> Iterator[Finding]:
    """Look at the store's server and at those of all connections."""
    with site.store.begin() as session:
        found = session.scalars(select(Connection).where(Connection.is_active)).all()
        urls = {site.server_url(each): each.name for each in reversed(found)}
    for url, name in urls.items():
        with suppress(ControlError, psycopg.Error):  # of which another check tells
            yield from _check(url, name)


def _check(url: str, name: str) -> Iterator[Finding]:
    with connect(url) as connection:
        version = connection.info.server_version
        [(role, is_super, makes_roles, database, is_open)] = connection.execute(RIGHTS).fetchall()
    is_nearly_super = makes_roles and not is_super and version < TAME_CREATEROLE
    words = {"role": role, "database": database}
    for what, is_so, is_well, finding, remedy in (
        ("role", is_super, True, SUPERUSER, NO_SUPERUSER),
        ("role", is_nearly_super, True, NEARLY_SUPERUSER, GUARD_IT),
        ("public", is_open, False, OPEN_PUBLIC, CLOSE_PUBLIC),
    ):
        if is_so:
            yield Finding(
                check=f"{what} of {name}",
                is_well=is_well,
                finding=finding.format(**words),
                remedy=remedy.format(**words),
            )
