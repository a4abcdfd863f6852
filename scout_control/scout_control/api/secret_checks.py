"""Checks the stored secrets: which must be stored again, and by which command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.api.views import Finding
from scout_control.errors import ControlError
from scout_control.installation import encryption, stored_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scout_control.installation.encryption import Keyring
    from scout_control.installation.installation import Installation
    from scout_control.installation.stored_secrets import StoredSecret

STORE_AGAIN = "Store it again: {}"
MAYBE_OLD = (
    "If the first key is the new one, re-encrypt them: scout keys rotate. "
    "Otherwise put the former key first again."
)


def check(installation: Installation) -> Iterator[Finding]:
    """Check that each secret can be decrypted and is accepted by its source."""
    with installation.store.begin() as session:
        secrets = list(stored_secrets.find(installation, session.connection()))
    flawed = [finding for secret in secrets if (finding := _finding(installation.keyring, secret))]
    yield from flawed
    if not flawed:
        yield _summary(installation.keyring, secrets)


def _summary(keyring: Keyring, secrets: Sequence[StoredSecret]) -> Finding:
    older = sum(not keyring.is_primary(secret.ciphertext) for secret in secrets)
    return Finding(
        check="secrets",
        is_well=True,
        finding=("the only one decrypts" if len(secrets) == 1 else f"all {len(secrets)} decrypt")
        + (f", {older} of them only with an older key" if older else ""),
        remedy=MAYBE_OLD if older else "",
    )


def _finding(keyring: Keyring, secret: StoredSecret) -> Finding | None:
    """Return what is wrong with a secret, or None."""
    subject, command = secret.context.subject, secret.context.command
    if not keyring.opens(secret.ciphertext):
        return Finding(
            check="secret",
            is_well=False,
            finding=f"no configured key decrypts {subject}",
            remedy=f"{encryption.ADD_THE_KEY} {encryption.IF_LOST} {command}",
        )
    try:
        secret.context.check(keyring.open(secret.ciphertext))
    except ControlError as error:
        problem = error.cause
    else:
        if getattr(secret.row, "is_valid", True):
            return None
        problem = f"{subject} is no longer valid: {secret.row.last_error or 'unknown reason'}"
    return Finding(
        check="secret", is_well=False, finding=problem, remedy=STORE_AGAIN.format(command)
    )
