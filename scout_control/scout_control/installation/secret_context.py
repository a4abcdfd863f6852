"""What each stored secret is for: the contexts that ciphertexts are bound to.

A login is for one row, source and owner, and for the address of that source; a client secret and
the password of a database likewise. To open one, say where it is about to be sent to.
"""

from __future__ import annotations

from functools import partial
from shlex import quote
from typing import TYPE_CHECKING, Any

from scout_control.errors import RECONNECT, ControlError, CredentialRefusedError, SettingsError
from scout_control.installation.encryption import MOVED, Context
from scout_control.rules.addresses import BASE_URL, binding

if TYPE_CHECKING:
    from scout_control.meltano.project import SourceType

ADDRESS_CHANGED = "The address of the source changed since this credential was connected."
# Rows of the store, or what a migration read of older ones: they have the same names.
Row = Any


def settings_of(source: Row, source_type: SourceType) -> dict[str, Any]:
    """Return what a source tells its tap."""
    told = dict(source.config)
    base_url = source.base_url or told.get(BASE_URL) or source_type.base_url
    return told | ({BASE_URL: base_url} if base_url else {})


def address_of(source: Row, source_type: SourceType) -> dict[str, str]:
    """Return where a source is: which tap asks, at which address, and how safely."""
    told = source_type.addresses.among(settings_of(source, source_type))
    return {"tap": source_type.name, **binding(told)}


def of_credential(found: Row, source: Row, source_type: SourceType) -> Context:
    """Return what the login of an owner is for."""
    kind, owner = ("user", found.user_id) if found.user_id else ("project", found.project_id)
    how = f"{quote(source.name)} --{kind} {quote(owner)}"
    return Context(
        identity=("credential", str(found.id), str(found.source_id), kind, owner),
        address=address_of(source, source_type),
        refusal=partial(_refuse_credential, source.name, how),
    )


def of_client_secret(source: Row, source_type: SourceType) -> Context:
    """Return what the OAuth client secret of a source is for."""
    return Context(
        identity=("client secret", str(source.id)),
        address=address_of(source, source_type),
        refusal=partial(
            _refuse,
            f"The OAuth client secret of the source {source.name}",
            f"Give it again: scout sources update {quote(source.name)} --client-secret-from-stdin",
        ),
    )


def of_connection(connection: Row) -> Context:
    """Return what the login of a database is for."""
    address = {
        "host": connection.host,
        "port": connection.port,
        "database": connection.database,
        "sslmode": connection.sslmode,
    }
    return Context(
        identity=("connection", str(connection.id)),
        address={name: str(value) for name, value in address.items() if value is not None},
        refusal=partial(
            _refuse,
            f"The login of the connection {connection.name}",
            f"Give it again: scout connections update {quote(connection.name)} --url",
        ),
    )


def of_service(role: str) -> Context:
    """Return what the password of a role is for that control made for a part of itself."""
    return Context(
        identity=("service", role),
        refusal=partial(_refuse, f"The password of the role {role}", "Restore the store."),
    )


def _refuse(subject: str, remedy: str, why: str) -> ControlError:
    return SettingsError(f"{subject} {why}.", remedy)


def _refuse_credential(source: str, how: str, why: str) -> ControlError:
    cause = ADDRESS_CHANGED if why == MOVED else f"This credential for {source} {why}."
    return CredentialRefusedError(cause, f"{RECONNECT} {how}")
