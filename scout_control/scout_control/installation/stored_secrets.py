"""Lists the stored secrets with their encryption contexts, at any version of the store.

A secret that no configured key decrypts stays in the store until its owner replaces it, or until a
person confirms its loss. Then a mark takes its place, and its use is an error that says what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, TableClause, literal_column, select, update
from sqlalchemy import column as named_column
from sqlalchemy import table as named_table

from scout_control.errors import KeysUnusableError, NotFoundError, SettingsError
from scout_control.installation import encryption, secret_context
from scout_control.installation.encryption import RESET, EncryptionContext
from scout_control.meltano.project import SourceType
from scout_control.rules.credential_kinds import CREDENTIAL_WAS_RESET
from scout_control.rules.statuses import DatasetStatus
from scout_control.store import audit, ciphertexts, datasets
from scout_control.store.models import SCHEMA, Dataset, ProjectSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.orm import Session

    from scout_control.installation.encryption import Keyring
    from scout_control.installation.installation import Installation

ALL_COLUMNS: Any = literal_column("*")
CREDENTIALS, SERVICE_LOGINS, DATASETS = "credentials", "service_logins", "datasets"
READER_LOGIN = "reader_login"
READER_LOGINS = "reader_logins"
REPLACEABLE = {
    (SERVICE_LOGINS, "secrets"),
    (DATASETS, READER_LOGIN),
    (READER_LOGINS, "password"),
}
"""Passwords that Scout sets itself: one that no key decrypts keeps nothing from working."""
MADE_AGAIN = {SERVICE_LOGINS, READER_LOGINS}


@dataclass(frozen=True, kw_only=True)
class StoredSecret:
    """One secret of the store."""

    table: str
    column: str
    row: Any
    ciphertext: bytes = field(repr=False)
    context: EncryptionContext

    @property
    def key(self) -> str:
        """The name of the primary key of its table."""
        return "role" if self.table == SERVICE_LOGINS else "id"

    def replace(self, connection: Connection, ciphertext: bytes | None, **columns: Any) -> None:
        """Replace the ciphertext, and other columns of its row."""
        values = {self.column: ciphertext, **columns}
        table = _table(self.table, self.key, *values)
        is_same = named_column(self.key) == getattr(self.row, self.key)
        connection.execute(update(table).where(is_same).values(values))


def find(installation: Installation, connection: Connection) -> Iterator[StoredSecret]:
    """Yield all stored secrets."""
    for table_name, column_name, context_of in SECRETS:
        if not ciphertexts.has_column(connection, table_name, column_name):
            continue  # in the store of an older version
        # By their names, not by the models: a later version of these may have other columns.
        has_secret = named_column(column_name).is_not(None)
        statement = select(ALL_COLUMNS).select_from(_table(table_name)).where(has_secret)
        for mapping in connection.execute(statement).mappings().all():
            row = SimpleNamespace(**mapping)
            yield StoredSecret(
                table=table_name,
                column=column_name,
                row=row,
                ciphertext=bytes(mapping[column_name]),
                context=context_of(installation, connection, row),
            )


def check_keys(installation: Installation) -> None:
    """Check that there is a key, and that it decrypts at least one of the stored secrets.

    Otherwise every run would fail for the same reason. A single secret that no key decrypts fails
    the runs that need it, and ``scout doctor`` names it.

    Raises:
        KeysUnusableError: There is no key, or none decrypts anything.
    """
    try:
        keyring, settings = installation.keyring, installation.settings
        with installation.store.begin() as session:
            if fits(keyring, ciphertexts.read(session.connection())):
                return
            lost = undecryptable(installation, session.connection())
        file = None if settings.encryption_keys else settings.key_file
        if file is not None and not file.exists():
            raise encryption.missing_file(file)
        raise loss_error(installation, lost)
    except SettingsError as error:
        raise KeysUnusableError(error.cause, error.remedy) from None


def fits(keyring: Keyring, secrets: Iterable[bytes]) -> bool:
    """Return whether a key decrypts one of these secrets, or no secret is given."""
    has_any = False
    for secret in secrets:
        has_any = True
        if keyring.opens(secret):
            return True
    return not has_any


def find_loss(installation: Installation, connection: Connection) -> list[StoredSecret]:
    """Return the secrets that no configured key decrypts, if any of them cannot be made again.

    The passwords of readers, which ``scout url`` makes again, are among them then.
    """
    lost = undecryptable(installation, connection)
    return lost if any((each.table, each.column) not in REPLACEABLE for each in lost) else []


def undecryptable(installation: Installation, connection: Connection) -> list[StoredSecret]:
    """Return the secrets that no configured key decrypts.

    Without the logins of roles that ``scout init``, or the next query of a person, makes again.
    """
    return [
        secret
        for secret in find(installation, connection)
        if secret.table not in MADE_AGAIN and not installation.keyring.opens(secret.ciphertext)
    ]


def loss_error(installation: Installation, secrets: Sequence[StoredSecret]) -> SettingsError:
    """Return the error for secrets that would be lost with the keys as they are configured."""
    settings = installation.settings
    keys = "SCOUT_ENCRYPTION_KEYS" if settings.encryption_keys else settings.key_file
    names = "; ".join(secret.context.subject for secret in secrets)
    return SettingsError(
        f"No configured key decrypts these stored secrets ({len(secrets)}): {names}. "
        "Nothing was changed.",
        f"Add the key that they were encrypted with to {keys}, after the present one. If that key "
        "is lost, delete exactly these secrets, and keep all else: scout init --reset-unreadable",
    )


@dataclass(frozen=True, kw_only=True)
class DeletedSecret:
    """A stored secret that was deleted, since no configured key decrypted it."""

    what: str
    command: str | None
    """The command that stores it again; None if it is made again when it is needed."""


def reset(
    installation: Installation, session: Session, secrets: Sequence[StoredSecret]
) -> list[DeletedSecret]:
    """Delete secrets: a mark takes their place, and datasets that need them are unscheduled."""
    connection = session.connection()
    deleted = []
    for secret in secrets:
        mark = installation.keyring.seal(encryption.Sealed(fields={RESET: True}))
        is_credential = secret.table == CREDENTIALS
        columns = {"is_valid": False, "last_error": CREDENTIAL_WAS_RESET} if is_credential else {}
        # Nothing is hashed under the key of a dataset without data: its next run makes a new one.
        is_unused = secret.table == DATASETS and not has_data(secret.row)
        # Where the column is null, `scout url` makes a new password.
        is_made_again = is_unused or secret.column == READER_LOGIN
        secret.replace(connection, None if is_made_again else mark, **columns)
        if is_credential:
            _unschedule(
                session,
                secret.row,
                f"{CREDENTIAL_WAS_RESET} Store it again: {secret.context.command}",
            )
        kind = secret.table.removesuffix("s")
        details = {"what": secret.context.subject, "secrets": audit.CHANGED}
        audit.record(session, "reset", kind, secret.row.id, **details)
        command = None if is_made_again else secret.context.command
        deleted.append(DeletedSecret(what=secret.context.subject, command=command))
    return deleted


def has_data(dataset: Any) -> bool:
    """Return whether a dataset may have rows: a failed run may have loaded some, too."""
    is_loaded = dataset.last_sync_at is not None or dataset.status == DatasetStatus.READY
    return is_loaded or bool(dataset.row_counts)


def _unschedule(session: Session, credential: Any, reason: str) -> None:
    links = select(ProjectSource.id).where(ProjectSource.source_id == credential.source_id)
    is_theirs = Dataset.user_id == credential.user_id
    if credential.user_id is None:
        links = links.where(ProjectSource.project_id == credential.project_id)
        is_theirs = Dataset.user_id.is_(None)
    datasets.unschedule(session, Dataset.project_source_id.in_(links) & is_theirs, reason)


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


SECRETS: tuple[
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
    (CREDENTIALS, "secrets", _of_credential),
    (
        SERVICE_LOGINS,
        "secrets",
        lambda _installation, _, row: secret_context.of_service(row.role),
    ),
    (DATASETS, "hash_key", lambda _installation, _, row: secret_context.of_hash_key(row)),
    (DATASETS, READER_LOGIN, lambda _installation, _, row: secret_context.of_reader_login(row)),
    (READER_LOGINS, "password", lambda _installation, _, row: secret_context.of_person_login(row)),
)
