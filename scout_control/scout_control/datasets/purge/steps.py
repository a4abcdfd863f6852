"""Removes all that belongs to an owner, step by step; each step can be repeated.

Runs first, so that nothing writes meanwhile; then logins, data with its state, roles and files;
then rows, the queue, logs; at last what the audit trail says of the owner. The rows by which data
is found are removed after the data.
"""

from __future__ import annotations

import logging
import shutil
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import delete, select, text, update

from scout_control.credentials import renewal
from scout_control.credentials.records import Owner
from scout_control.datasets import deletion, schemas
from scout_control.datasets.purge import leftovers, owner_data, planner_statistics
from scout_control.errors import ConflictError, ControlError, CredentialMissingError
from scout_control.meltano import workdir
from scout_control.meltano.workdir import LOGIN_DIRECTORY
from scout_control.rules.credential_kinds import OAUTH
from scout_control.store import audit, datasets, postgres, run_cancellation, runs
from scout_control.store.locks import holding, of_dataset
from scout_control.store.models import (
    Base,
    Credential,
    Dataset,
    ProjectSource,
    Run,
    SourceMetadata,
    Touch,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sqlalchemy.orm import Session

    from scout_control.datasets.purge.owner_data import Names
    from scout_control.installation.installation import Site

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 180.0  # several times what a run takes that is told to end
LOOK_AGAIN_SECONDS = 0.5
JOBS = text("""
    DELETE FROM scout_control.procrastinate_jobs
     WHERE task_name = 'run' AND args ->> 'run_id' = ANY(:runs) RETURNING id
""")
WORKED_ON = text("""
    SELECT count(*) FROM scout_control.procrastinate_jobs
     WHERE task_name = 'run' AND status = 'doing' AND args ->> 'run_id' = ANY(:runs)
""")
# Lines of a server's log that belong to the one before them.
CONTINUED = (b"DETAIL:  ", b"HINT:  ", b"CONTEXT:  ", b"STATEMENT:  ", b"QUERY:  ")


@dataclass(kw_only=True)
class Removal:
    """What was removed, and what could not be."""

    removed: Counter[str] = field(default_factory=Counter)
    not_removed: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def failed(self, what: str, why: str) -> None:
        """Remember what could not be removed, once."""
        if (told := {"what": what, "why": why}) not in self.not_removed:
            self.not_removed.append(told)


@dataclass(frozen=True, kw_only=True)
class Task:
    """Whose belongings are removed where, and what became of it so far."""

    site: Site
    owner: Owner
    names: Names
    wait_seconds: float
    removal: Removal


def remove(site: Site, owner: Owner, wait_seconds: float = LONGEST_WAIT_SECONDS) -> Removal:
    """Remove everything of an owner; return what was removed, and what was not."""
    with site.store.begin() as session:
        names = owner_data.names(session, owner)
    removal = Removal()
    task = Task(site=site, owner=owner, names=names, wait_seconds=wait_seconds, removal=removal)
    for step in STEPS:
        try:
            step(task)
        except ControlError as error:
            removal.failed(step.__name__.strip("_"), error.cause)
        except psycopg.Error as error:
            removal.failed(step.__name__.strip("_"), f"Postgres: SQLSTATE {error.sqlstate}.")
    return removal


def _runs(task: Task) -> None:
    """Let nothing of theirs start any more, and end what runs."""
    site = task.site
    with site.store.begin() as session:
        for link in owner_data.links(session, task.owner):
            link.is_active = False
        found = owner_data.datasets(session, task.owner)
        for dataset in found:
            dataset.is_paused, dataset.next_sync_at = True, None
            told = audit.of_dataset(dataset) | {"comment": dataset.owner}
            audit.record(session, owner_data.BEGUN, "dataset", dataset.id, **told)
        alive = runs.all_alive(session, [each.id for each in found])
    for run in alive.values():
        with suppress(ConflictError):
            run_cancellation.cancel(site.store, str(run.id))
            task.removal.removed["runs_cancelled"] += 1
    until = time.monotonic() + task.wait_seconds
    for dataset in found:
        if not _is_free(site, dataset.id, until):
            task.removal.failed(dataset.schema_name, "A run of it did not end in time.")


def _is_free(site: Site, dataset_id: uuid.UUID, until: float) -> bool:
    """Wait until no run holds a dataset; return whether it is free."""
    while True:
        with holding(site.store, of_dataset(dataset_id)) as is_free:
            if is_free or time.monotonic() > until:
                return is_free
        time.sleep(LOOK_AGAIN_SECONDS)


def _credentials(task: Task) -> None:
    """Forget their logins, here and at the source."""
    removal = task.removal
    with task.site.store.begin() as session:
        found = owner_data.credentials(session, task.owner)
    for each in found:
        removal.removed["credentials"] += 1
        if _is_revoked(task.site, each, task.owner):
            removal.removed["credentials_revoked_at_source"] += 1
        elif each.kind == OAUTH:
            removal.notes.append(
                f"{each.source.name} did not confirm that the login was revoked: "
                "remove the application's access there by hand."
            )


def _is_revoked(site: Site, found: Credential, owner: Owner) -> bool:
    """Forget a login; return whether the source confirmed it, which one with a key never does."""
    try:
        return renewal.revoke(site.store, site.keyring, site.plugins, found.source, owner)
    except CredentialMissingError:
        return False
    except ControlError as error:  # it opens with no key, or the source is not to be asked
        log.warning("not_revoked credential=%s: %s", found.id, type(error).__name__)
    with site.store.begin() as session:
        session.execute(delete(Credential).where(Credential.id == found.id))
    return False


def _data(task: Task) -> None:
    """Drop their data with its state and roles, one dataset after the other."""
    with task.site.store.begin() as session:
        found = owner_data.datasets(session, task.owner)
    for dataset in found:
        try:
            _drop(task.site, dataset, task.removal)
        except ControlError as error:
            task.removal.failed(dataset.schema_name, error.cause)
    for schema in task.names.schemas:
        schemas.forget_state(task.site, schema)


def _drop(site: Site, dataset: Dataset, removal: Removal) -> None:
    with holding(site.store, of_dataset(dataset.id)) as is_free:
        if not is_free:
            raise ConflictError("A run of it is in progress.", "Purge again.")
        with site.store.begin() as session:
            ids = [str(run) for run in session.scalars(_runs_of(dataset))]
        _wait_for_jobs(site, ids)
        _forget_logins_of_runs(ids)
        with site.store.begin() as session:
            locked = datasets.lock(session, dataset.id)
        if locked is None:
            return
        deletion.patiently(lambda: deletion.remove(site, locked, force=True, reason="purged"))
        with site.store.begin() as session:
            ids = [str(run) for run in session.scalars(_runs_of(dataset))]
            jobs = session.execute(JOBS, {"runs": ids}).all()
            session.execute(delete(Run).where(Run.dataset_id == dataset.id))
            session.execute(delete(Dataset).where(Dataset.id == dataset.id))
            _forget_metadata(session, dataset, removal)
    removal.removed.update({"datasets": 1, "runs": len(ids), "jobs": len(jobs)})


def _forget_metadata(session: Session, dataset: Dataset, removal: Removal) -> None:
    """Forget what discovery found for a user of a project, unless another project has it too."""
    source_id = dataset.project_source.source_id
    others = select(Dataset.id).join(Dataset.project_source)
    is_same = (Dataset.user_id == dataset.user_id) & (ProjectSource.source_id == source_id)
    if dataset.user_id is None or session.scalars(others.where(is_same)).first() is not None:
        return
    found = session.scalars(
        select(SourceMetadata).where(
            SourceMetadata.user_id == dataset.user_id, SourceMetadata.source_id == source_id
        )
    ).all()
    _delete(session, removal, "source_metadata", found)


def _runs_of(dataset: Dataset) -> Any:
    return select(Run.id).where(Run.dataset_id == dataset.id)


def _wait_for_jobs(site: Site, ids: list[str]) -> None:
    """Let a worker say that it has done a job, before the job is removed."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with site.store.begin() as session:
            if not session.scalar(WORKED_ON, {"runs": ids}):
                return
        time.sleep(LOOK_AGAIN_SECONDS)


def _forget_logins_of_runs(ids: list[str]) -> None:
    """Remove what killed runs left of a login on this machine."""
    for directory in workdir.abandoned(LOGIN_DIRECTORY):
        if any(directory.name.startswith(f"{LOGIN_DIRECTORY}{run}") for run in ids):
            shutil.rmtree(directory, ignore_errors=True)
    workdir.sweep()


def _roles(task: Task) -> None:
    """Try again to drop roles that still owned something, and name those that do."""
    deletion.remove_roles(task.site)
    in_use = tuple(each["what"] for each in task.removal.not_removed)
    for url in task.site.server_urls():
        with suppress(ControlError), postgres.connect(url) as connection:
            cursor = connection.cursor()
            for role in leftovers.roles(cursor, task.names):
                if role.startswith(in_use):
                    continue
                places_of_it = ", ".join(leftovers.elsewhere(cursor, [role])) or "this database"
                task.removal.failed(role, f"It still owns something: {places_of_it}.")


def _rows(task: Task) -> None:
    """Remove the other rows; a project's own only when nothing of it is left."""
    owner, removal = task.owner, task.removal
    with task.site.store.begin() as session:
        session.execute(delete(Touch).where(Touch.schema_name.in_(task.names.schemas)))
        _delete(session, removal, "source_metadata", owner_data.metadata(session, owner))
        if owner.user_id is not None:
            _forget_makers(session, owner.user_id)
        is_empty = not owner_data.datasets(session, owner)
        if is_empty:
            _delete(session, removal, "links", owner_data.links(session, owner))
            session.flush()
        found = owner_data.project(session, owner)
        if is_empty and found is not None:
            _delete(session, removal, "projects", [found])


def _delete(session: Session, removal: Removal, kind: str, found: Sequence[Any]) -> None:
    for each in found:
        session.delete(each)
    if found:
        removal.removed[kind] += len(found)


def _forget_makers(session: Session, user_id: str) -> None:
    for table in Base.metadata.tables.values():
        for name in set(owner_data.MAKERS) & set(table.columns.keys()):
            column = table.columns[name]
            session.execute(update(table).where(column == user_id).values({name: None}))


def _files(task: Task) -> None:
    """Remove generated files and lines of logs that tell of them, on this machine."""
    removed = task.removal.removed
    for schema in task.names.schemas:
        folder = task.site.dbt_folder(schema)
        if folder.exists():
            removed["folders"] += 1
            shutil.rmtree(folder, ignore_errors=True)
    wanted = leftovers.matcher(task.names)
    for path in leftovers.files(task.site):
        try:
            if path.suffix == ".log" and leftovers.is_told(path, wanted):
                removed["log_lines"] += without_lines(path, wanted)
        except FileNotFoundError:
            continue  # of a run that has ended meanwhile
        except OSError as error:
            task.removal.failed(str(path), error.strerror or "It cannot be written.")


def without_lines(path: Path, wanted: re.Pattern[bytes]) -> int:
    """Remove from a log, where it stands, the entries that match; return how many lines.

    A program may append to it meanwhile.
    """
    removed = 0
    with path.open("rb") as source, path.open("r+b") as target:
        entry: list[bytes] = []
        for line in source:
            if not line.startswith(b"\t") and not any(each in line for each in CONTINUED):
                removed += _keep_entry(target.write, entry, wanted)
                entry = []
            entry.append(line)
        removed += _keep_entry(target.write, entry, wanted)
        target.truncate()
    return removed


def _keep_entry(
    write: Callable[[bytes], int], entry: list[bytes], wanted: re.Pattern[bytes]
) -> int:
    """Write the lines of an entry, or none of them; return how many were left out."""
    if any(wanted.search(line) for line in entry):
        return len(entry)
    write(b"".join(entry))
    return 0


def _audit(task: Task) -> None:
    """Erase what the audit trail says of them: only after all else, for it holds the names."""
    if task.removal.not_removed:
        return
    with task.site.store.begin() as session:
        kind, identity = owner_data.kind_of(task.owner)
        count = audit.erase(session, kind, identity, task.names.traces)
    if count:
        task.removal.removed["audit_values"] += count


def _remembered(task: Task) -> None:
    """Let Postgres forget what its planner remembers of what was removed."""
    task.removal.notes += planner_statistics.forget(task.site, task.names)


STEPS = (_runs, _credentials, _data, _roles, _rows, _files, _audit, _remembered)
