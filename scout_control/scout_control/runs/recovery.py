"""Cleans up behind workers of this machine that were killed, and saves what they had to keep."""

from __future__ import annotations

import logging
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from scout_control.credentials import records
from scout_control.errors import ControlError
from scout_control.meltano import workdir
from scout_control.meltano.workdir import CREDENTIAL_DIRECTORY
from scout_control.runs.prepare import CREDENTIAL
from scout_control.store import lookups
from scout_control.store.models import Run

if TYPE_CHECKING:
    from scout_control.installation.installation import Site

log = logging.getLogger(__name__)
LETTERS_OF_ID = 36


def clean_up(site: Site) -> None:
    """Remove what killed runs left; a login that a tap had renewed is stored first.

    What a run of another installation had to keep is left to that one.
    """
    workdir.sweep()
    for directory in workdir.abandoned(CREDENTIAL_DIRECTORY):
        run_id = directory.name.removeprefix(CREDENTIAL_DIRECTORY)[:LETTERS_OF_ID]
        try:
            is_ours = _keep(site, run_id, directory / CREDENTIAL)
        except (OSError, ValueError, ControlError) as error:  # anybody here may make such a folder
            log.warning("login_not_salvaged run=%s: %s", run_id, type(error).__name__)
            continue
        if is_ours:
            shutil.rmtree(directory, ignore_errors=True)


def _keep(site: Site, run_id: str, file: Path) -> bool:
    """Store the login that a killed run had renewed; tell whether it was a run of ours."""
    if not file.exists():
        return True
    written = workdir.read(file)
    with site.store.begin() as session:
        run = session.get(Run, uuid.UUID(run_id))
        if run is None:
            return False
        source, owner = run.dataset.project_source.source, records.Owner.of(run.dataset)
        found = lookups.credential(session, source.id, owner.project_id, owner.user_id)
        if found is None:
            return True
        fields = site.keyring.open(found.secrets).fields
        login = records.Login(
            credential_id=found.id, kind=found.kind, fields={}, known=fields.get("refresh_token")
        )
    if records.descends(written, fields):
        records.take_back(site.store, site.keyring, login, written)
    return True
