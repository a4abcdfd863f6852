"""Sets an installation up: tables, a place for state, a first connection. Repeatable."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import delete, select

from scout_control.errors import ServerError
from scout_control.installation import key_rotation
from scout_control.store import audit, migrate, singer_state
from scout_control.store.locks import exclusive
from scout_control.store.models import Connection, Installation, ServiceLogin
from scout_control.store.postgres import connect

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Site

DEFAULT_CONNECTION = "default"
INITIALISING, LONGEST_WAIT_SECONDS = "scout init", 300
MAY_MAKE_ROLES = """
    SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user
"""


def init(site: Site) -> str:
    """Bring everything to the version of this program; return the version of the store.

    Raises:
        ControlError: There is no key, or the database does not let us.
    """
    site.keyring  # noqa: B018 - nothing is made without keys
    before = migrate.version(site.store)
    version = migrate.migrate(site.store, bind=partial(key_rotation.bind_all, site))
    with exclusive(site.store, INITIALISING, LONGEST_WAIT_SECONDS):
        _make_first_rows(site, before, version)
        with site.store.begin() as session:
            former = list(session.scalars(select(ServiceLogin.role)))
        _make_place_for_states(site, former)
        with site.store.begin() as session:
            session.execute(delete(ServiceLogin).where(ServiceLogin.role.in_(former)))
    return version


def _make_first_rows(site: Site, before: str | None, version: str) -> None:
    with site.store.begin() as session:
        if session.scalar(select(Connection).where(Connection.host.is_(None))) is None:
            session.add(Connection(name=DEFAULT_CONNECTION, description="The store's own database"))
            audit.record(session, "initialised", "store", version)
        elif before != version:
            changes = {"version": [before, version]}
            audit.record(session, "upgraded", "store", version, changes=changes)
        _remember_choices(session, site)


def _remember_choices(session: Session, site: Site) -> None:
    """Keep what all processes must agree on: a variable may be set in one and not in another."""
    told = site.settings.opaque_names
    found = session.scalars(select(Installation)).one()
    if told is not None and told != found.has_opaque_names:
        found.has_opaque_names = told
        audit.record(session, "chose", "installation", "names", opaque=told)


def _make_place_for_states(site: Site, former_roles: list[str]) -> None:
    refused = ServerError(
        "The role of SCOUT_DATABASE_URL may not make roles or schemas.",
        "Give it CREATEROLE, and CREATE on the database; see: scout doctor",
    )
    with connect(site.state_url) as connection:
        if connection.execute(MAY_MAKE_ROLES).fetchone() != (True,):  # each dataset needs roles
            raise refused
    try:
        singer_state.prepare(site.state_url, former_roles)
    except psycopg.errors.InsufficientPrivilege:
        raise refused from None
    except psycopg.Error as error:
        raise ServerError.of_postgres(error, error.sqlstate) from None
