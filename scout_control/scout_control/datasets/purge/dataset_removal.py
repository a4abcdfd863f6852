"""Removes one dataset of a purged owner: its data, state and roles, then its runs, jobs and rows.

The data goes first: without its rows nothing would find it again.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, text

from scout_control.datasets import dataset_drop
from scout_control.errors import ConflictError
from scout_control.meltano import workdir
from scout_control.meltano.workdir import CREDENTIAL_DIRECTORY
from scout_control.store import datasets, lookups
from scout_control.store.locks import dataset_lock, try_locks
from scout_control.store.models import Dataset, ProjectSource, Run, SourceMetadata

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from scout_control.datasets.purge.report import PurgeReport
    from scout_control.installation.installation import Installation

POLL_SECONDS = 0.5
LONGEST_JOB_SECONDS = 10.0
DELETE_JOBS = text("""
    DELETE FROM scout_control.procrastinate_jobs
     WHERE task_name = 'run' AND args ->> 'run_id' = ANY(:runs) RETURNING id
""")
COUNT_JOBS_IN_PROGRESS = text("""
    SELECT count(*) FROM scout_control.procrastinate_jobs
     WHERE task_name = 'run' AND status = 'doing' AND args ->> 'run_id' = ANY(:runs)
""")


def remove(installation: Installation, dataset: Dataset, report: PurgeReport) -> None:
    """Remove a dataset, once no run holds it.

    Raises:
        ConflictError: A run holds it.
        ControlError: A step failed; another purge continues from there.
    """
    with try_locks(installation.store, dataset_lock(dataset.id)) as is_free:
        if not is_free:
            path = lookups.path(dataset)
            raise ConflictError(f"A run of {path} is in progress.", "Purge again after it.")
        with installation.store.begin() as session:
            ids = [str(run) for run in session.scalars(_runs_of(dataset))]
        _wait_for_jobs(installation, ids)
        _delete_credential_files(ids)
        with installation.store.begin() as session:
            locked = datasets.lock(session, dataset.id)  # reads its current state
        if locked is None:
            return
        dataset_drop.retry_while_blocked(
            lambda: dataset_drop.remove(installation, locked, force=True, reason="purged")
        )
        with installation.store.begin() as session:
            # Once more: a run could have been queued before the dataset was paused.
            ids = [str(run) for run in session.scalars(_runs_of(dataset))]
            jobs = session.execute(DELETE_JOBS, {"runs": ids}).all()
            session.execute(delete(Run).where(Run.dataset_id == dataset.id))
            session.execute(delete(Dataset).where(Dataset.id == dataset.id))
            _delete_metadata(session, dataset, report)
    report.removed.update({"datasets": 1, "runs": len(ids), "jobs": len(jobs)})


def _delete_metadata(session: Session, dataset: Dataset, report: PurgeReport) -> None:
    """Delete the source metadata of a user, unless the user has the source in another project."""
    source_id = dataset.project_source.source_id
    others = select(Dataset.id).join(Dataset.project_source)
    is_same = (Dataset.user_id == dataset.user_id) & (ProjectSource.source_id == source_id)
    if dataset.user_id is None or session.scalars(others.where(is_same)).first() is not None:
        return
    rows = session.scalars(
        select(SourceMetadata).where(
            SourceMetadata.user_id == dataset.user_id, SourceMetadata.source_id == source_id
        )
    ).all()
    report.delete(session, "source_metadata", rows)


def _runs_of(dataset: Dataset) -> Any:
    return select(Run.id).where(Run.dataset_id == dataset.id)


def _wait_for_jobs(installation: Installation, ids: list[str]) -> None:
    """Give workers some seconds to mark their jobs as done before these are deleted."""
    until = time.monotonic() + LONGEST_JOB_SECONDS
    while time.monotonic() < until:
        with installation.store.begin() as session:
            if not session.scalar(COUNT_JOBS_IN_PROGRESS, {"runs": ids}):
                return
        time.sleep(POLL_SECONDS)


def _delete_credential_files(ids: list[str]) -> None:
    """Delete credential files that killed runs left on this machine."""
    for directory in workdir.abandoned(CREDENTIAL_DIRECTORY):
        if any(directory.name.startswith(f"{CREDENTIAL_DIRECTORY}{run}") for run in ids):
            shutil.rmtree(directory, ignore_errors=True)
    workdir.sweep()
