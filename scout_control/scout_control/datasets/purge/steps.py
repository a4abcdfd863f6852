"""Removes everything that belongs to an owner, in repeatable steps.

Runs are stopped first, so that nothing is written meanwhile. The rows that locate data are removed
after the data, and the audit trail last, since it holds the names that an interrupted purge needs.
A failed step is reported and does not keep the following ones from running.
"""

from __future__ import annotations

import logging
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import delete, update

from scout_control.credentials import renewal
from scout_control.credentials.records import Owner
from scout_control.datasets import dataset_drop, person_login, schemas
from scout_control.datasets.purge import (
    dataset_removal,
    leftovers,
    owner_data,
    planner_statistics,
    server_log,
)
from scout_control.datasets.purge.report import PurgeReport
from scout_control.errors import ConflictError, ControlError, CredentialMissingError
from scout_control.installation.installation import QUICKSTART_ANSWERS
from scout_control.rules.credential_kinds import OAUTH
from scout_control.rules.naming import roles_of
from scout_control.rules.wording import counted
from scout_control.store import audit, postgres, reader_logins, run_cancellation, runs
from scout_control.store.locks import dataset_lock, try_locks
from scout_control.store.models import Base, Credential, Touch

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from scout_control.datasets.purge.owner_data import SearchTerms
    from scout_control.installation.installation import Installation

log = logging.getLogger(__name__)

MAX_WAIT_SECONDS = 180.0  # several times what a cancelled run needs to end
POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Purge:
    """The owner to purge, the installation, and the report so far."""

    installation: Installation
    owner: Owner
    terms: SearchTerms
    wait_seconds: float
    report: PurgeReport


def purge(
    installation: Installation, owner: Owner, wait_seconds: float = MAX_WAIT_SECONDS
) -> PurgeReport:
    """Remove everything of an owner.

    Args:
        installation: The installation.
        owner: The user or project.
        wait_seconds: How long to wait for runs to end.
    """
    with installation.store.begin() as session:
        terms = owner_data.search_terms(session, owner)
    report = PurgeReport()
    run_steps(
        STEPS,
        Purge(
            installation=installation,
            owner=owner,
            terms=terms,
            wait_seconds=wait_seconds,
            report=report,
        ),
    )
    return report


def run_steps(steps: Mapping[str, Step], purge: Purge) -> None:
    """Run all steps in order; an error ends only its own step, and is reported."""
    for name, step in steps.items():
        try:
            step(purge)
        except ControlError as error:
            purge.report.failed(name, error.cause)
        except psycopg.Error as error:
            purge.report.failed(name, f"Postgres: SQLSTATE {error.sqlstate}.")


def _stop_runs(purge: Purge) -> None:
    """Deactivate schedules and links, cancel live runs and wait for their end."""
    installation = purge.installation
    with installation.store.begin() as session:
        for link in owner_data.links(session, purge.owner):
            link.is_active = False
        datasets_of_owner = owner_data.datasets(session, purge.owner)
        for dataset in datasets_of_owner:
            dataset.is_paused, dataset.next_sync_at = True, None
            # If this purge is interrupted, the next one finds the names of dropped datasets here.
            details = audit.of_dataset(dataset) | {"comment": dataset.owner}
            audit.record(session, owner_data.PURGE_BEGUN, "dataset", dataset.id, **details)
        alive = runs.all_alive(session, [each.id for each in datasets_of_owner])
    for run in alive.values():
        with suppress(ConflictError):
            run_cancellation.cancel(installation.store, str(run.id))
            purge.report.removed["runs_cancelled"] += 1
    until = time.monotonic() + purge.wait_seconds
    for dataset in datasets_of_owner:
        if not _wait_until_free(installation, dataset.id, until):
            purge.report.failed(dataset.schema_name, "A run of it did not end in time.")


def _wait_until_free(installation: Installation, dataset_id: uuid.UUID, until: float) -> bool:
    """Wait until no run locks a dataset; return whether that is so."""
    while True:
        with try_locks(installation.store, dataset_lock(dataset_id)) as is_free:
            if is_free or time.monotonic() > until:
                return is_free
        time.sleep(POLL_SECONDS)


def _end_access(purge: Purge) -> None:
    """Let the person do nothing more. Their row goes with the others: it holds what to look for."""
    owner, report = purge.owner, purge.report
    with purge.installation.store.begin() as session:
        report.delete(session, "tokens", owner_data.tokens(session, owner))
        memberships = owner_data.members(session, owner)
        report.delete(session, "memberships", memberships)
        if (person := owner_data.person(session, owner)) is not None:
            person.is_active, person.roles = False, []
        people = {each.person_id for each in memberships}
        people |= {person.id} if person is not None else set()
        ended = [
            each for name in sorted(people) for each in reader_logins.end_unpermitted(session, name)
        ]
    if dropped := person_login.end(purge.installation, ended):
        report.removed["logins"] += dropped
    if dropped < len(ended):
        count = counted(len(ended) - dropped, "login")
        report.failed("logins", f"{count} to datasets could not be dropped: see scout doctor.")


def _delete_credentials(purge: Purge) -> None:
    """Delete credentials, and revoke tokens at the source."""
    report = purge.report
    with purge.installation.store.begin() as session:
        credentials = owner_data.credentials(session, purge.owner)
    for each in credentials:
        report.removed["credentials"] += 1
        if _is_revoked(purge.installation, each, purge.owner):
            report.removed["credentials_revoked_at_source"] += 1
        elif each.kind == OAUTH:
            report.notes.append(
                f"{each.source.name} did not confirm the revocation of the token: "
                "remove the application's access there manually."
            )


def _is_revoked(installation: Installation, credential: Credential, owner: Owner) -> bool:
    """Delete a credential; return whether the source confirmed its revocation.

    API keys and passwords cannot be revoked.
    """
    try:
        return renewal.revoke(
            installation.store, installation.keyring, installation.plugins, credential.source, owner
        )
    except CredentialMissingError:
        return False
    except ControlError as error:  # it cannot be decrypted, or the source is not usable
        log.warning("not_revoked credential=%s: %s", credential.id, type(error).__name__)
    with installation.store.begin() as session:
        session.execute(delete(Credential).where(Credential.id == credential.id))
    return False


def _drop_data(purge: Purge) -> None:
    """Drop the data of each dataset with its state and roles."""
    with purge.installation.store.begin() as session:
        datasets_of_owner = owner_data.datasets(session, purge.owner)
    for dataset in datasets_of_owner:
        try:
            dataset_removal.remove(purge.installation, dataset, purge.report)
        except ControlError as error:
            purge.report.failed(dataset.schema_name, error.cause)
    # Also of datasets whose rows an interrupted purge has deleted already.
    for schema in purge.terms.schemas:
        schemas.delete_state(purge.installation, schema)


def _drop_roles(purge: Purge) -> None:
    """Retry to drop roles that still owned objects, and report those that still do."""
    dataset_drop.drop_retired_roles(purge.installation)
    expected = roles_of_reported_schemas(purge)
    for url in purge.installation.server_urls():
        with suppress(ControlError), postgres.connect(url) as connection:
            cursor = connection.cursor()
            for role in leftovers.roles(cursor, purge.terms):
                if role in expected:
                    continue
                where = ", ".join(leftovers.in_other_databases(cursor, [role]))
                purge.report.failed(role, f"It still owns objects: {where or 'this database'}.")


def roles_of_reported_schemas(purge: Purge) -> set[str]:
    """Return the roles of schemas that could not be dropped.

    They remain with their schema, so one report is enough. Failures are also reported under the
    names of steps, one of which is the beginning of every generated name of a schema.
    """
    reported = {each["what"] for each in purge.report.not_removed}
    return {
        role for schema in reported.intersection(purge.terms.schemas) for role in roles_of(schema)
    }


def _delete_rows(purge: Purge) -> None:
    """Delete the remaining rows; the project itself only when no dataset is left."""
    owner, report = purge.owner, purge.report
    with purge.installation.store.begin() as session:
        session.execute(delete(Touch).where(Touch.schema_name.in_(purge.terms.schemas)))
        report.delete(session, "source_metadata", owner_data.metadata(session, owner))
        if owner.user_id is not None:
            _clear_creator_columns(session, owner.user_id)
        if (person := owner_data.person(session, owner)) is not None:
            report.delete(session, "people", [person])
        is_empty = not owner_data.datasets(session, owner)
        if is_empty:
            report.delete(session, "links", owner_data.links(session, owner))
            session.flush()  # the foreign key of links restricts the deletion of the project
        project = owner_data.project(session, owner)
        if is_empty and project is not None:
            report.delete(session, "projects", [project])


def _clear_creator_columns(session: Session, user_id: str) -> None:
    for table in Base.metadata.tables.values():
        for name in set(owner_data.CREATOR_COLUMNS) & set(table.columns.keys()):
            column = table.columns[name]
            session.execute(update(table).where(column == user_id).values({name: None}))


def _delete_files(purge: Purge) -> None:
    """Delete generated files and log lines about the owner on this machine."""
    removed = purge.report.removed
    for schema in purge.terms.schemas:
        folder = purge.installation.dbt_folder(schema)
        if folder.exists():
            removed["folders"] += 1
            shutil.rmtree(folder, ignore_errors=True)
    owner = leftovers.matcher(purge.terms)
    for path in leftovers.files(purge.installation):
        try:
            if path.suffix == ".log" and leftovers.mentions(path, owner):
                removed["log_lines"] += server_log.remove_entries(path, owner.pattern)
            elif path.name == QUICKSTART_ANSWERS and leftovers.mentions(path, owner):
                removed["files"] += 1
                path.unlink()
        except FileNotFoundError:
            continue  # removed by a run that ended meanwhile
        except OSError as error:
            purge.report.failed(str(path), error.strerror or "It cannot be written.")


def _erase_audit_values(purge: Purge) -> None:
    """Erase the owner from the audit trail, unless a step failed: a repetition needs the names."""
    if purge.report.not_removed:
        return
    with purge.installation.store.begin() as session:
        kind, identity = owner_data.kind_and_id(purge.owner)
        count = audit.erase(session, kind, identity, purge.terms.traces)
    if count:
        purge.report.removed["audit_values"] += count


def _refresh_statistics(purge: Purge) -> None:
    purge.report.notes += planner_statistics.refresh(purge.installation, purge.terms)


Step = Callable[[Purge], None]
STEPS: Mapping[str, Step] = {
    "access": _end_access,
    "runs": _stop_runs,
    "credentials": _delete_credentials,
    "data": _drop_data,
    "roles": _drop_roles,
    "rows": _delete_rows,
    "files": _delete_files,
    "audit": _erase_audit_values,
    "planner statistics": _refresh_statistics,
}
