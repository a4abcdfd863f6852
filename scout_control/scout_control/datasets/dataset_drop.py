"""Drops the data of a dataset: marks it expired, then deletes state, schema and roles.

Each step commits separately; after a failure all are repeated, by the next maintenance round or by
the caller. State is deleted before data: state without data would skip rows permanently.
"""

from __future__ import annotations

import logging
import shutil
import time
from typing import TYPE_CHECKING

from scout_control.datasets import role_retirement, schema_drop, schemas
from scout_control.errors import ConflictError, ControlError
from scout_control.rules import expiry
from scout_control.rules.naming import roles_of
from scout_control.store import audit, datasets, lookups, reader_logins, run_logs, runs
from scout_control.store.locks import GRANTS_LOCK, dataset_lock, exclusive, try_locks

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation
    from scout_control.store.models import Dataset, Run

    MayDrop = Callable[[Session, Dataset], bool]

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
EXTRA_WAIT_SECONDS = 15.0
"""How much longer than the readers' grace period a person waits at most."""


def drop(installation: Installation, dataset_id: uuid.UUID, *, force: bool = False) -> None:
    """Drop a dataset's data now, after the grace period of sessions that hold locks.

    Raises:
        ConflictError: A run is in progress, objects outside depend on the data, or a session that
            we cannot end holds a lock.
    """
    if not retry_while_blocked(
        lambda: try_drop(installation, dataset_id, _has_no_live_run, force=force, reason="dropped")
    ):
        with installation.store.begin() as session:
            dataset = lookups.dataset(session, str(dataset_id))
            raise busy_error(dataset, runs.alive(session, dataset_id))


def busy_error(dataset: Dataset, run: Run | None) -> ConflictError:
    """Return the error for data that a run is loading."""
    cancel = f"scout runs cancel {run.id}" if run else "scout runs list"
    return ConflictError(
        f"A run of {lookups.path(dataset)} is in progress.", f"Cancel it first: {cancel}"
    )


def retry_while_blocked(remove: Callable[[], bool]) -> bool:
    """Retry until the grace period of lock holders has ended; return whether it succeeded.

    Raises:
        BlockedError: A session still holds a lock.
    """
    until = time.monotonic() + expiry.READER_GRACE.total_seconds() + EXTRA_WAIT_SECONDS
    logged = ""
    while True:
        try:
            # False after a block: a worker may be removing the data right now, so try again.
            if (is_done := remove()) or not logged or time.monotonic() > until:
                return is_done
        except schema_drop.BlockedError as error:
            if error.is_grace_over or time.monotonic() > until:
                raise
            if error.cause != logged:
                log.warning("%s", error)
            logged = error.cause
        time.sleep(POLL_SECONDS)


def try_drop(
    installation: Installation,
    dataset_id: uuid.UUID,
    may_drop: MayDrop,
    *,
    force: bool = False,
    reason: str,
) -> bool:
    """Drop a dataset's data if permitted and not being loaded; return whether it was dropped.

    Raises:
        ControlError: A step failed; a repetition continues from there.
    """
    with try_locks(installation.store, dataset_lock(dataset_id)) as is_free:
        if not is_free:
            return False
        with installation.store.begin() as session:
            dataset = datasets.lock(session, dataset_id)
            if dataset is None or not may_drop(session, dataset):
                return False
        return remove(installation, dataset, may_drop, force=force, reason=reason)


def remove(
    installation: Installation,
    dataset: Dataset,
    may_drop: MayDrop | None = None,
    *,
    force: bool = False,
    reason: str,
) -> bool:
    """Drop the data of a dataset whose lock the caller holds; return whether it was dropped.

    Raises:
        ControlError: A step failed; a repetition continues from there.
    """
    server_url, names = installation.server_url_of(dataset), datasets.names(dataset)
    # Before anything changes: a refusal must leave the dataset as it was.
    schema_drop.check_droppable(server_url, names, force=force)
    with installation.store.begin() as session:
        roles = [*roles_of(names.schema), *reader_logins.roles(session, dataset.id)]
        # Under the row lock: a reader may have touched the dataset since the caller looked.
        locked = datasets.lock(session, dataset.id)
        if locked is None or (may_drop is not None and not may_drop(session, locked)):
            return False
        datasets.expire(session, dataset.id)
    try:
        schemas.delete_state(installation, names.schema)
        schema_drop.drop(server_url, names, force=force)
    except ControlError as error:
        with installation.store.begin() as session:
            datasets.record_removal(session, dataset.id, str(error))
        raise
    # Not in the ``try``: roles that cannot be dropped are marked and retried, the data is removed.
    role_retirement.drop(
        server_url,
        roles,
        lambda: exclusive(installation.store, GRANTS_LOCK),
    )
    shutil.rmtree(installation.dbt_folder(names.schema), ignore_errors=True)
    with installation.store.begin() as session:
        datasets.record_removal(session, dataset.id)
        reader_logins.remove_all(session, dataset.id)
        run_logs.delete_of_dataset(session, dataset.id)
        details = audit.of_dataset(dataset)
        audit.record(session, reason, "dataset", dataset.id, **details, forced=force)
    return True


def drop_retired_roles(installation: Installation) -> int:
    """Retry to drop the roles of dropped datasets; return how many were dropped."""
    urls = installation.usable_server_urls()
    return sum(_drop_retired_roles(installation, url) for url in urls)


def _drop_retired_roles(installation: Installation, server_url: str) -> int:
    try:
        return role_retirement.drop_marked(
            server_url, lambda: exclusive(installation.store, GRANTS_LOCK)
        )
    except ControlError as error:
        log.warning("roles_not_dropped: %s", error)
        return 0


def _has_no_live_run(session: Session, dataset: Dataset) -> bool:
    return runs.alive(session, dataset.id) is None
