"""Cleans up after killed workers of this machine, and saves the tokens that they had rotated."""

from __future__ import annotations

import logging
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from scout_control.credentials import records
from scout_control.credentials.rotated_token import RotatedToken
from scout_control.errors import ControlError
from scout_control.meltano import workdir
from scout_control.meltano.workdir import CREDENTIAL_DIRECTORY
from scout_control.runs.prepare import CREDENTIAL, ORIGIN
from scout_control.store import lookups
from scout_control.store.models import Run

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation

log = logging.getLogger(__name__)
UUID_LENGTH = 36


def clean_up(installation: Installation) -> None:
    """Remove the folders of killed runs, after storing any token that a tap had rotated.

    A folder that belongs to a run of another installation is left for that one.
    """
    workdir.sweep()
    for folder in workdir.abandoned(CREDENTIAL_DIRECTORY):
        try:
            may_go = _store_token(installation, folder)
        except (OSError, ValueError, ControlError) as error:
            # The folder for temporary files is open to every account, so its name and content may
            # be anything. A store that is down also ends here: the next round tries again.
            log.warning("token_not_recovered folder=%s: %s", folder.name, type(error).__name__)
            continue
        if may_go:
            shutil.rmtree(folder, ignore_errors=True)


def run_id_of(folder: Path) -> uuid.UUID:
    """Return the run that a folder was made for.

    Raises:
        ValueError: Its name holds no run id.
    """
    return uuid.UUID(folder.name.removeprefix(CREDENTIAL_DIRECTORY)[:UUID_LENGTH])


def _store_token(installation: Installation, folder: Path) -> bool:
    """Store the token that a killed run had rotated; return whether its folder may be removed."""
    file = folder / CREDENTIAL
    if not file.exists():
        return True
    run_id = run_id_of(folder)
    written = workdir.read(file)
    with installation.store.begin() as session:
        run = session.get(Run, run_id)
        if run is None:
            return False
        source, owner = run.dataset.project_source.source, records.Owner.of(run.dataset)
        found = lookups.credential(session, source.id, owner.project_id, owner.user_id)
        if found is None:
            return True
        fields = installation.keyring.open(found.secrets).fields
        credential = records.RunCredential(
            credential_id=found.id, kind=found.kind, fields={}, known=fields.get("refresh_token")
        )
    # The owner may have reconnected since: only a token that descends from the stored one replaces
    # it, or an account that was exchanged would come back.
    origin = _origin(folder)
    rotated = RotatedToken.parse(written)
    if rotated is None:
        return True
    if rotated.with_origin(origin).descends_from(fields):
        credential.origin = origin
        records.store_rotated_token(installation.store, installation.keyring, credential, written)
    elif rotated.refresh_token != credential.known:
        log.warning(
            "token_discarded run=%s source=%s: it does not descend from the stored one, so the "
            "account was connected again meanwhile; if its runs fail, reconnect it",
            run_id,
            source.name,
        )
    return True


def _origin(folder: Path) -> str | None:
    """Return the digest of the token that the run of a folder was given."""
    try:
        return workdir.read(folder / ORIGIN).decode("ascii") or None
    except (OSError, UnicodeDecodeError):  # of an earlier version, or not ours
        return None
