"""Changes every stored secret: under the first encryption key while everything runs, or bound.

Older versions stored secrets that did not say what they are for. The upgrade binds them, once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select, text, update

from scout_control.errors import NotFoundError
from scout_control.installation import encryption, secret_context
from scout_control.installation.encryption import Context
from scout_control.meltano.project import SourceType
from scout_control.store import audit, models
from scout_control.store.models import SCHEMA, Credential, ServiceLogin, Source

if TYPE_CHECKING:
    from scout_control.installation.installation import Site

log = logging.getLogger(__name__)

CIPHERTEXTS: tuple[tuple[Any, Any], ...] = (
    (models.Connection.id, models.Connection.login),
    (Source.id, Source.oauth_client_secret),
    (Credential.id, Credential.secrets),
    (ServiceLogin.role, ServiceLogin.secrets),
)


def rotate(site: Site, *, forget_old: bool = False) -> int:
    """Encrypt everything under the first key; return how many secrets that changed.

    With a key file a new key is made first. A secret that somebody changes meanwhile is left to
    the next round; rounds go on until nothing is left.
    """
    key_file = None if site.settings.encryption_keys else site.settings.key_file
    if key_file is not None:
        site.keyring  # noqa: B018 - makes the file when there is none
        encryption.add_to_file(key_file)
        del site.keyring
    changed = 0
    while count := sum(_rotate(site, key, column) for key, column in CIPHERTEXTS):
        changed += count
    with site.store.begin() as session:
        details = {"secrets": changed, "forget_old": forget_old}
        audit.record(session, "rotated", "keys", "all", **details)
    if forget_old and key_file is not None:
        encryption.forget_old(key_file)
        del site.keyring
    return changed


def bind_all(site: Site, connection: Connection) -> None:
    """Bind the secrets of an older version to the rows and addresses that they stand for now.

    One that no key opens stays as it is: it is of no use to anyone, and its owner connects again.
    """
    for table, column, context_of in UNBOUND:
        statement = f"SELECT * FROM {SCHEMA}.{table} WHERE {column} IS NOT NULL"  # noqa: S608 - fixed names
        for row in connection.execute(text(statement)).mappings().all():
            context = context_of(site, connection, SimpleNamespace(**row))
            _bind(site, connection, table, column, row, context)


def _bind(
    site: Site, connection: Connection, table: str, column: str, row: Any, context: Context
) -> None:
    ciphertext = bytes(row[column])
    if not site.keyring.opens(ciphertext):
        log.warning("not_bound table=%s: no configured key decrypts it", table)
        return
    fresh = site.keyring.encrypt(site.keyring.open(ciphertext).fields, context)
    key = "role" if "role" in row else "id"
    statement = f"UPDATE {SCHEMA}.{table} SET {column} = :fresh WHERE {key} = :key"  # noqa: S608 - fixed names
    connection.execute(text(statement), {"fresh": fresh, "key": row[key]})


def _kind_of(site: Site, source: Any) -> SourceType:
    """Return the type of a source, also of one that meltano.yml no longer declares."""
    try:
        return site.plugins.source_type(source.source_type)
    except NotFoundError:
        name = source.source_type
        return SourceType(name=name, label=name, executable=name, settings=(), sensitive=())


def _of_credential(site: Site, connection: Connection, row: Any) -> Context:
    statement = text(f"SELECT * FROM {SCHEMA}.sources WHERE id = :id")  # noqa: S608 - fixed names
    found = connection.execute(statement, {"id": row.source_id}).mappings().one()
    source = SimpleNamespace(**found)
    return secret_context.of_credential(row, source, _kind_of(site, source))


UNBOUND: tuple[tuple[str, str, Callable[[Site, Connection, Any], Context]], ...] = (
    ("connections", "login", lambda _site, _, row: secret_context.of_connection(row)),
    (
        "sources",
        "oauth_client_secret",
        lambda site, _, row: secret_context.of_client_secret(row, _kind_of(site, row)),
    ),
    ("credentials", "secrets", _of_credential),
    ("service_logins", "secrets", lambda _site, _, row: secret_context.of_service(row.role)),
)


def count_closed(site: Site) -> int:
    """Return how many stored secrets open with none of the keys."""
    with site.store.begin() as session:
        columns = [column for _, column in CIPHERTEXTS]
        found = [
            ciphertext
            for column in columns
            for ciphertext in session.scalars(select(column).where(column.is_not(None)))
        ]
    return sum(not site.keyring.opens(ciphertext) for ciphertext in found)


def _rotate(site: Site, key: Any, column: Any) -> int:
    changed = 0
    with site.store.begin() as session:
        rows = session.execute(select(key, column).where(column.is_not(None))).all()
    for identity, ciphertext in rows:
        fresh = site.keyring.rotate(ciphertext)
        if fresh is None:
            continue
        with site.store.begin() as session:
            found = session.execute(
                update(key.class_)
                .where(key == identity, column == ciphertext)
                .values({column: fresh})
                .returning(key)
            )
            changed += int(found.first() is not None)
    return changed
