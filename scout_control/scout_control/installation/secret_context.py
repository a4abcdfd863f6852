"""The encryption contexts of stored secrets: to what each ciphertext is bound.

A credential is bound to its row, source and owner, and to the address of that source; a client
secret and the password of a database likewise. To decrypt one, the caller says where it is about to
be sent.
"""

from __future__ import annotations

from functools import partial
from shlex import quote
from typing import TYPE_CHECKING, Any

from scout_control.errors import (
    CONNECT,
    RECONNECT,
    ControlError,
    CredentialRefusedError,
    SettingsError,
)
from scout_control.installation.encryption import ADDRESS_DIFFERS, EncryptionContext
from scout_control.rules.addresses import BASE_URL, binding

if TYPE_CHECKING:
    from scout_control.meltano.project import SourceType

ADDRESS_CHANGED = "The address of the source changed since this credential was connected."
# A model of the store, or a row that a migration read from an older schema: the names are the same.
Row = Any


def tap_settings(source: Row, source_type: SourceType) -> dict[str, Any]:
    """Return the settings that a source gives its tap."""
    settings = dict(source.config)
    base_url = source.base_url or settings.get(BASE_URL) or source_type.base_url
    return settings | ({BASE_URL: base_url} if base_url else {})


def source_address(source: Row, source_type: SourceType) -> dict[str, str]:
    """Return what determines where secrets are sent: the tap, its addresses and TLS settings."""
    addresses = source_type.addresses.among(tap_settings(source, source_type))
    return {"tap": source_type.name, **binding(addresses)}


def of_credential(credential: Row, source: Row, source_type: SourceType) -> EncryptionContext:
    """Return the context of a credential."""
    kind, owner = (
        ("user", credential.user_id) if credential.user_id else ("project", credential.project_id)
    )
    arguments = f"{quote(source.name)} --{kind} {quote(owner)}"
    return EncryptionContext(
        identity=("credential", str(credential.id), str(credential.source_id), kind, owner),
        address=source_address(source, source_type),
        subject=f"the credential for {arguments}",
        command=connect_command(arguments, credential.kind),
        error=partial(_credential_error, source.name, arguments),
    )


def connect_command(arguments: str, kind: str) -> str:
    """Return the command that connects an account again, for a source and an owner."""
    return f"{CONNECT} {arguments} --kind {kind}"


def of_client_secret(source: Row, source_type: SourceType) -> EncryptionContext:
    """Return the context of the OAuth client secret of a source."""
    return EncryptionContext(
        identity=("client secret", str(source.id)),
        address=source_address(source, source_type),
        **_named(
            f"the OAuth client secret of the source {source.name}",
            f"scout sources update {quote(source.name)} --client-secret-from-stdin",
        ),
    )


def of_connection(connection: Row) -> EncryptionContext:
    """Return the context of the user and password of a database."""
    address = {
        "host": connection.host,
        "port": connection.port,
        "database": connection.database,
        "sslmode": connection.sslmode,
    }
    return EncryptionContext(
        identity=("connection", str(connection.id)),
        address={name: str(value) for name, value in address.items() if value is not None},
        **_named(
            f"the password of the connection {connection.name}",
            f"scout connections update {quote(connection.name)} --url",
        ),
    )


def of_hash_key(dataset: Row) -> EncryptionContext:
    """Return the context of the key under which a dataset's columns are hashed."""
    return EncryptionContext(
        identity=("hash key", str(dataset.id)),
        **_named(
            f"the hash key of {dataset.schema_name}",
            f"scout datasets drop {quote(dataset.schema_name)}"
            f" && scout run {quote(dataset.schema_name)}",
        ),
    )


def of_reader_login(dataset: Row) -> EncryptionContext:
    """Return the context of the password with which people's tools read a dataset."""
    return EncryptionContext(
        identity=("reader login", str(dataset.id)),
        **_named(
            f"the password of the reader of {dataset.schema_name}",
            f"scout url {quote(dataset.schema_name)} --new-password",
        ),
    )


def of_person_login(row: Row) -> EncryptionContext:
    """Return the context of the password with which one person reads one dataset."""
    return EncryptionContext(
        identity=("person's login", str(row.id), str(row.dataset_id), row.role),
        **_named(f"the password of the reader {row.role}", "request the login again"),
    )


def of_authorization(state_hash: bytes) -> EncryptionContext:
    """Return the context of what an authorization in progress was begun with."""
    return EncryptionContext(
        identity=("authorization", state_hash.hex()),
        **_named("what this authorization was begun with", "begin again in the browser"),
    )


def of_service(role: str) -> EncryptionContext:
    """Return the context of the password of a role that older versions created for themselves."""
    return EncryptionContext(
        identity=("service", role),
        **_named(f"the password of the role {role}", "scout init"),
    )


def _named(subject: str, command: str) -> Any:
    return {"subject": subject, "command": command, "error": partial(_error, subject, command)}


def _error(subject: str, command: str, reason: str) -> ControlError:
    return SettingsError(f"{subject[0].upper()}{subject[1:]} {reason}.", f"Set it again: {command}")


def _credential_error(source: str, arguments: str, reason: str) -> ControlError:
    is_moved = reason == ADDRESS_DIFFERS
    cause = ADDRESS_CHANGED if is_moved else f"This credential for {source} {reason}."
    return CredentialRefusedError(cause, f"{RECONNECT} {arguments}")
