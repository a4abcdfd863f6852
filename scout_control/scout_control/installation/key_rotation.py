"""Re-encrypts all stored secrets: with a new primary key, or bound to an encryption context.

Rotation needs no downtime. Older versions stored secrets without a context; ``scout init`` binds
them once, in the transaction of the upgrade.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, TableClause, literal_column, select, update
from sqlalchemy import column as named_column
from sqlalchemy import table as named_table

from scout_control.errors import NotFoundError
from scout_control.installation import encryption, secret_context
from scout_control.installation.encryption import EncryptionContext
from scout_control.meltano.project import SourceType
from scout_control.store import audit, models
from scout_control.store.models import SCHEMA, Credential, ServiceLogin, Source

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation

log = logging.getLogger(__name__)

ALL_COLUMNS: Any = literal_column("*")
CIPHERTEXTS: tuple[tuple[Any, Any], ...] = (
    (models.Connection.id, models.Connection.login),
    (Source.id, Source.oauth_client_secret),
    (Credential.id, Credential.secrets),
    (ServiceLogin.role, ServiceLogin.secrets),
)


def rotate(installation: Installation, *, forget_old: bool = False) -> int:
    """Re-encrypt all secrets with the primary key; return how many were changed.

    With a key file, a new primary key is generated first.

    Args:
        installation: The installation.
        forget_old: Then remove the older keys from the key file.
    """
    key_file = None if installation.settings.encryption_keys else installation.settings.key_file
    if key_file is not None:
        encryption.add_primary_key(key_file)
        installation.forget_keyring()
    changed = 0
    # A secret that another process changed in between is skipped, hence further rounds.
    while count := sum(_rotate(installation, key, column) for key, column in CIPHERTEXTS):
        changed += count
    with installation.store.begin() as session:
        details = {"secrets": changed, "forget_old": forget_old}
        audit.record(session, "rotated", "keys", "all", **details)
    if forget_old and key_file is not None:
        encryption.remove_old_keys(key_file)
        installation.forget_keyring()
    return changed


def bind_all(installation: Installation, connection: Connection) -> None:
    """Bind the secrets of an older version to their current rows and addresses.

    A secret that no key decrypts stays as it is; its owner has to connect again.
    """
    for table_name, column_name, context_of in UNBOUND:
        # By their names, not by the models: a later version of these may have other columns.
        has_secret = named_column(column_name).is_not(None)
        statement = select(ALL_COLUMNS).select_from(_table(table_name)).where(has_secret)
        for row in connection.execute(statement).mappings().all():
            context = context_of(installation, connection, SimpleNamespace(**row))
            _bind(installation, connection, (table_name, column_name), row, context)


def _bind(
    installation: Installation,
    connection: Connection,
    location: tuple[str, str],
    row: Any,
    context: EncryptionContext,
) -> None:
    table_name, column_name = location
    ciphertext = bytes(row[column_name])
    if not installation.keyring.opens(ciphertext):
        log.warning("not_bound table=%s: no configured key decrypts it", table_name)
        return
    bound = installation.keyring.encrypt(installation.keyring.open(ciphertext).fields, context)
    key = "role" if "role" in row else "id"
    statement = update(_table(table_name, key, column_name)).where(named_column(key) == row[key])
    connection.execute(statement.values({column_name: bound}))


def _table(name: str, *columns: str) -> TableClause:
    return named_table(name, *map(named_column, columns), schema=SCHEMA)


def _source_type_of(installation: Installation, source: Any) -> SourceType:
    """Return the type of a source, also if meltano.yml no longer declares it."""
    try:
        return installation.plugins.source_type(source.source_type)
    except NotFoundError:
        name = source.source_type
        return SourceType(name=name, label=name, executable=name, settings=(), sensitive=())


def _of_credential(
    installation: Installation, connection: Connection, row: Any
) -> EncryptionContext:
    statement = (
        select(ALL_COLUMNS)
        .select_from(_table("sources"))
        .where(named_column("id") == row.source_id)
    )
    mapping = connection.execute(statement).mappings().one()
    source = SimpleNamespace(**mapping)
    return secret_context.of_credential(row, source, _source_type_of(installation, source))


UNBOUND: tuple[
    tuple[str, str, Callable[[Installation, Connection, Any], EncryptionContext]], ...
] = (
    ("connections", "login", lambda _installation, _, row: secret_context.of_connection(row)),
    (
        "sources",
        "oauth_client_secret",
        lambda installation, _, row: secret_context.of_client_secret(
            row, _source_type_of(installation, row)
        ),
    ),
    ("credentials", "secrets", _of_credential),
    (
        "service_logins",
        "secrets",
        lambda _installation, _, row: secret_context.of_service(row.role),
    ),
)


def count_undecryptable(installation: Installation) -> int:
    """Return the number of stored secrets that no configured key decrypts."""
    with installation.store.begin() as session:
        columns = [column for _, column in CIPHERTEXTS]
        ciphertexts = [
            ciphertext
            for column in columns
            for ciphertext in session.scalars(select(column).where(column.is_not(None)))
        ]
    return sum(not installation.keyring.opens(ciphertext) for ciphertext in ciphertexts)


def _rotate(installation: Installation, key: Any, column: Any) -> int:
    changed = 0
    with installation.store.begin() as session:
        rows = session.execute(select(key, column).where(column.is_not(None))).all()
    for row_id, ciphertext in rows:
        rotated = installation.keyring.rotate(ciphertext)
        if rotated is None:
            continue
        with installation.store.begin() as session:
            updated = session.execute(
                update(key.class_)
                # Unless it has been changed since it was read: the next round handles that.
                .where(key == row_id, column == ciphertext)
                .values({column: rotated})
                .returning(key)
            )
            changed += int(updated.first() is not None)
    return changed
