"""Sets an installation up: tables, a place for Meltano's state, a first connection. Repeatable."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from sqlalchemy import select

from scout_control import meltano
from scout_control.credentials import binding
from scout_control.errors import ServerError
from scout_control.store import audit, migrate
from scout_control.store.database import driver_connection
from scout_control.store.locks import alone
from scout_control.store.models import Connection, Installation, ServiceLogin
from scout_control.worker import rotation
from scout_control.worker.site import MELTANO_SCHEMA, Site

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DEFAULT_CONNECTION = "default"
INITIALISING, LONGEST_WAIT_SECONDS = "scout init", 300
MELTANO_SECONDS = 120


def init(site: Site) -> str:
    """Bring everything to the version of this program; return the version of the store.

    Raises:
        ControlError: There is no key, or the database does not let us.
    """
    site.keyring  # noqa: B018 - nothing is made without keys
    before = migrate.version(site.store)
    version = migrate.migrate(site.store, bind=partial(rotation.bind_all, site))
    with alone(site.store, INITIALISING, LONGEST_WAIT_SECONDS):
        _make_first_rows(site, before, version)
        _let_meltano_make_its_tables(site)
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
        if session.get(ServiceLogin, site.meltano_role) is None:
            password = secrets.token_urlsafe(32)
            context = binding.of_service(site.meltano_role)
            sealed = site.keyring.encrypt({"password": password}, context)
            session.add(ServiceLogin(role=site.meltano_role, secrets=sealed))
            _make_place_for_meltano(session, site.meltano_role, password)


def _remember_choices(session: Session, site: Site) -> None:
    """Keep what all processes must agree on: a variable may be set in one and not in another."""
    told = site.settings.opaque_names
    found = session.scalars(select(Installation)).one()
    if told is not None and told != found.has_opaque_names:
        found.has_opaque_names = told
        audit.record(session, "chose", "installation", "names", opaque=told)


def _make_place_for_meltano(session: Session, role: str, password: str) -> None:
    try:
        _make_role_and_schema(session, role, password)
    except psycopg.errors.InsufficientPrivilege:
        raise ServerError(
            "The role of SCOUT_DATABASE_URL may not make roles or schemas.",
            "Give it CREATEROLE, and CREATE on the database; see: scout doctor",
        ) from None


def _make_role_and_schema(session: Session, role: str, password: str) -> None:
    connection = driver_connection(session)
    names = {"role": sql.Identifier(role), "schema": sql.Identifier(MELTANO_SCHEMA)}
    encryption = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    )
    exists = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    if exists is None:
        connection.execute(sql.SQL("CREATE ROLE {role}").format(**names))
    for statement in (
        sql.SQL("ALTER ROLE {role} LOGIN PASSWORD {password}").format(
            **names, password=sql.Literal(encryption.decode())
        ),
        sql.SQL("ALTER ROLE {role} SET search_path TO {schema}").format(**names),
        sql.SQL("CREATE SCHEMA IF NOT EXISTS {schema}").format(**names),
        sql.SQL("REVOKE ALL ON SCHEMA {schema} FROM PUBLIC").format(**names),
        sql.SQL("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}").format(**names),
        sql.SQL("GRANT {role} TO CURRENT_USER").format(**names),
    ):
        connection.execute(statement)


def _let_meltano_make_its_tables(site: Site) -> None:
    """Let Meltano migrate its own tables now, so that many first runs at once need not."""
    done = meltano.ask(
        *("state", "list"),
        project_root=site.settings.project_root,
        database_uri=site.meltano_url,
        work=site.settings.make_home(),
        longest_seconds=MELTANO_SECONDS,
    )
    if done.returncode:
        raise ServerError(
            "Meltano could not make its tables.",
            f"Try in {site.settings.project_root}: meltano state list",
        )
