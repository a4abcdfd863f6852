"""Deletes a dataset's data: what it says of itself first, then its state, its data, its roles.

Each step is committed by itself, and all are repeated when one of them failed: by the next round
of upkeep, or by whoever asked. State without data would lose rows for good, so state goes first.
"""

from __future__ import annotations

import logging
import shutil
import time
from typing import TYPE_CHECKING

from scout_control.datasets import role_retirement, schema_drop, schemas
from scout_control.errors import ConflictError, ControlError
from scout_control.rules import expiry
from scout_control.store import audit, datasets, runs
from scout_control.store.locks import GRANTS, alone, holding, of_dataset

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Site
    from scout_control.store.models import Dataset

    MayGo = Callable[[Session, Dataset], bool]

log = logging.getLogger(__name__)

MORE_SECONDS = 15.0
"""How long a person waits at most beyond the grace of the sessions that hold the data."""


def drop(site: Site, dataset_id: uuid.UUID, *, force: bool = False) -> None:
    """Drop a dataset's data now; sessions that hold it have their grace, and are ended then.

    Raises:
        ConflictError: A run is in progress, something outside depends on the data, or a session
            holds it that we may not end.
    """
    if not patiently(lambda: attempt(site, dataset_id, _is_free, force=force, reason="dropped")):
        raise ConflictError(
            "A run of this dataset is in progress.", "Cancel it first: scout runs cancel"
        )


def patiently(remove: Callable[[], bool]) -> bool:
    """Try until the sessions that hold the data have had their grace; return whether it worked.

    Raises:
        BlockedError: A session still holds the data.
    """
    until = time.monotonic() + expiry.GRACE_OF_READERS.total_seconds() + MORE_SECONDS
    told = ""
    while True:
        try:
            # Where it was blocked before, a worker may be removing it at this moment.
            if (is_done := remove()) or not told or time.monotonic() > until:
                return is_done
        except schema_drop.BlockedError as error:
            if error.is_final or time.monotonic() > until:
                raise
            if error.cause != told:
                log.warning("%s", error)
            told = error.cause
        time.sleep(1)


def attempt(
    site: Site, dataset_id: uuid.UUID, may_go: MayGo, *, force: bool = False, reason: str
) -> bool:
    """Drop a dataset's data if it may go and is not being loaded; return whether it was dropped.

    Raises:
        ControlError: It could not be; what has been done already need not be done again.
    """
    with holding(site.store, of_dataset(dataset_id)) as is_free:
        if not is_free:
            return False
        with site.store.begin() as session:
            dataset = datasets.lock(session, dataset_id)
            if dataset is None or not may_go(session, dataset):
                return False
        return remove(site, dataset, may_go, force=force, reason=reason)


def remove(
    site: Site, dataset: Dataset, may_go: MayGo | None = None, *, force: bool = False, reason: str
) -> bool:
    """Drop the data of a dataset whose lock the caller holds; return whether it was dropped.

    Raises:
        ControlError: It could not be; what has been done already need not be done again.
    """
    server_url, called = site.server_url_of(dataset), datasets.names(dataset)
    schema_drop.check(server_url, called, force=force)
    with site.store.begin() as session:
        locked = datasets.lock(session, dataset.id)
        if locked is None or (may_go is not None and not may_go(session, locked)):
            return False
        datasets.expire(session, dataset.id)
    try:
        schemas.forget_state(site, called.schema)
        schema_drop.drop(server_url, called, force=force)
    except ControlError as error:
        with site.store.begin() as session:
            datasets.removed(session, dataset.id, str(error))
        raise
    role_retirement.remove(
        server_url, role_retirement.roles(called.schema), lambda: alone(site.store, GRANTS)
    )
    shutil.rmtree(site.dbt_folder(called.schema), ignore_errors=True)
    with site.store.begin() as session:
        datasets.removed(session, dataset.id)
        names = audit.of_dataset(dataset)
        audit.record(session, reason, "dataset", dataset.id, **names, forced=force)
    return True


def remove_roles(site: Site) -> int:
    """Try again to drop the roles of data that was dropped; return how many could be."""
    return sum(_remove_roles(site, url) for url in site.server_urls())


def _remove_roles(site: Site, server_url: str) -> int:
    try:
        return role_retirement.remove_marked(server_url, lambda: alone(site.store, GRANTS))
    except ControlError as error:
        log.warning("roles_not_removed: %s", error)
        return 0


def _is_free(session: Session, dataset: Dataset) -> bool:
    return runs.alive(session, dataset.id) is None
