"""Initialises or upgrades an installation. Safe to repeat, also by two processes at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import delete, select

from scout_control.errors import PrivilegeError, ServerError, SettingsError
from scout_control.installation import embedded_postgres, key_rotation, stored_secrets
from scout_control.installation.installation import POSTGRES
from scout_control.rules import retention
from scout_control.store import audit, migrate, models, singer_state
from scout_control.store.locks import exclusive
from scout_control.store.models import Connection, ServiceLogin
from scout_control.store.postgres import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation
    from scout_control.installation.stored_secrets import DeletedSecret

DEFAULT_CONNECTION = "default"
LOCK_NAME, LOCK_TIMEOUT_SECONDS = "scout init", 300
CAN_CREATE_ROLES = """
    SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user
"""


def init(
    installation: Installation,
    keep: float | None = None,
    *,
    reset_unreadable: bool = False,
    on_reset: Callable[[DeletedSecret], None] = lambda _: None,
) -> str:
    """Bring the store to the version of this program, and return that version.

    Args:
        installation: The installation.
        keep: For how many hours unused data is kept; None for SCOUT_KEEP, else as before.
        reset_unreadable: Delete the stored secrets that no configured key decrypts.
        on_reset: Called with each secret that was deleted.

    Raises:
        SettingsError: There is no key, or none decrypts a stored secret; nothing was changed.
        ControlError: The database does not permit it.
    """
    # First, because it fails without keys: a store that cannot hold secrets must not be created.
    installation.keyring.encrypt({})
    before = migrate.version(installation.store)
    if before is not None and not reset_unreadable:
        _check_secrets(installation)
    # The secrets of older versions are bound in the transaction of the upgrade: a worker of the
    # new version never sees one that is not bound.
    version = migrate.migrate(installation.store, bind=partial(key_rotation.bind_all, installation))
    deleted: list[DeletedSecret] = []
    with exclusive(installation.store, LOCK_NAME, LOCK_TIMEOUT_SECONDS):
        with installation.store.begin() as session:
            if reset_unreadable:
                lost = stored_secrets.undecryptable(installation, session.connection())
                deleted = stored_secrets.reset(installation, session, lost)
            _create_first_rows(session, before, version)
            _store_naming_choice(session, installation)
            _store_retention(session, installation.settings.keep if keep is None else keep)
            former = list(session.scalars(select(ServiceLogin.role)))
        for secret in deleted:  # now: a repetition after a later failure finds none
            on_reset(secret)
        _create_state_schema(installation, former)
        # Last: until their roles are dropped, a repeated call must still find these names.
        with installation.store.begin() as session:
            session.execute(delete(ServiceLogin).where(ServiceLogin.role.in_(former)))
    return version


def listen(installation: Installation, port: int) -> None:
    """Let the embedded Postgres listen on a port of this machine, or on its socket only.

    Args:
        installation: The installation.
        port: The port; 0 for the socket only.

    Raises:
        SettingsError: The installation is on another server.
        ConflictError: Others use the server, or the port is taken.
    """
    settings = installation.settings
    if settings.database_url:
        raise SettingsError(
            "SCOUT_DATABASE_URL names a server, which listens as its own configuration says.",
            "Leave --listen out: it is for the embedded Postgres.",
        )
    embedded_postgres.listen(settings.make_home() / POSTGRES, port or None)


def _check_secrets(installation: Installation) -> None:
    """Refuse keys that do not decrypt what is stored: what they encrypt would not be readable then.

    The passwords of roles that control makes for itself are not among them: it creates new ones.
    """
    with installation.store.begin_at_any_version() as session:
        lost = stored_secrets.find_loss(installation, session.connection())
    if lost:
        raise stored_secrets.loss_error(installation, lost)


def _create_first_rows(session: Session, before: str | None, version: str) -> None:
    if session.scalar(select(Connection).where(Connection.host.is_(None))) is None:
        session.add(Connection(name=DEFAULT_CONNECTION, description="The store's own database"))
        audit.record(session, "initialised", "store", version)
    elif before != version:
        changes = {"version": [before, version]}
        audit.record(session, "upgraded", "store", version, changes=changes)


def _store_naming_choice(session: Session, installation: Installation) -> None:
    """Store SCOUT_OPAQUE_NAMES: all processes must agree, whatever their environment says."""
    choice = installation.settings.opaque_names
    row = session.scalars(select(models.Installation)).one()
    if choice is not None and choice != row.has_opaque_names:
        row.has_opaque_names = choice
        audit.record(session, "chose", "installation", "names", opaque=choice)


def _store_retention(session: Session, keep: float | None) -> None:
    """Store for how long unused data is kept: all processes must agree here, too."""
    row = session.scalars(select(models.Installation)).one()
    if keep is not None and keep != row.keep_hours:
        row.keep_hours = keep
        period = retention.format_period(keep)
        audit.record(session, "chose", "installation", "retention", keep=period)


def _create_state_schema(installation: Installation, former_roles: list[str]) -> None:
    not_permitted = PrivilegeError(
        "The role of SCOUT_DATABASE_URL may not create roles or schemas.",
        "Give it CREATEROLE, and CREATE on the database; see: scout doctor",
    )
    with connect(installation.state_url) as connection:
        # The schema needs no role, but each dataset does: better to fail here than in its run.
        if connection.execute(CAN_CREATE_ROLES).fetchone() != (True,):
            raise not_permitted
    try:
        singer_state.prepare(installation.state_url, former_roles)
    except psycopg.errors.InsufficientPrivilege:
        raise not_permitted from None
    except psycopg.Error as error:
        raise ServerError.of_postgres(error, error.sqlstate) from None
