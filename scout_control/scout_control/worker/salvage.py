"""Saves what a killed worker of this machine left: a login that its tap had renewed."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scout_control.credentials import keeping
from scout_control.errors import ControlError
from scout_control.meltano import IN_MEMORY
from scout_control.store import lookups
from scout_control.worker.preparing import LOGIN_DIRECTORY

if TYPE_CHECKING:
    from scout_control.store.models import Run
    from scout_control.worker.site import Site

log = logging.getLogger(__name__)


def keep_login(site: Site, run: Run) -> None:
    """Store the login that a dead run's tap wrote last, and remove its directory."""
    for place in {IN_MEMORY, Path(tempfile.gettempdir())}:
        for directory in place.glob(f"{LOGIN_DIRECTORY}{run.id}-*"):
            try:
                written = (directory / "credential.json").read_bytes()
                _keep(site, run, written)
            except FileNotFoundError:
                pass
            except (OSError, ControlError) as error:
                log.warning("login_not_salvaged run=%s: %s", run.id, type(error).__name__)
                continue
            shutil.rmtree(directory, ignore_errors=True)


def _keep(site: Site, run: Run, written: bytes) -> None:
    source = run.dataset.project_source.source
    owner = keeping.Owner.of(run.dataset)
    with site.store.begin() as session:
        found = lookups.credential(session, source.id, owner.project_id, owner.user_id)
        if found is None:
            return
        fields = site.keyring.decrypt(found.secrets)
        login = keeping.Login(
            credential_id=found.id, kind=found.kind, fields={}, known=fields.get("refresh_token")
        )
    if keeping.descends(written, fields):
        keeping.take_back(site.store, site.keyring, login, written)
