"""Checks the datasets: their schemas, and the roles that they are shared with."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import select

from scout_control.api import views
from scout_control.api.link_remains import holds_data
from scout_control.api.views import Finding
from scout_control.datasets import person_login
from scout_control.errors import ControlError, SettingsError
from scout_control.rules import unlinked as unlinked_rules
from scout_control.rules.health import FAILED_BEFORE
from scout_control.rules.statuses import DatasetStatus
from scout_control.rules.wording import counted
from scout_control.runs.context import is_interrupted
from scout_control.store import datasets, lookups, reader_logins, runs
from scout_control.store.models import Dataset, ProjectSource
from scout_control.store.postgres import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_control.installation.installation import Installation

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)"
ROLES = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"


def schemas(installation: Installation) -> Iterator[Finding]:
    """Check that the schema of each loaded dataset exists."""
    with installation.store.begin() as session:
        loaded = session.scalars(select(Dataset).where(Dataset.last_sync_at.is_not(None))).all()
    by_url: dict[str, list[str]] = {}
    paths = {dataset.schema_name: lookups.path(dataset) for dataset in loaded}
    for dataset in loaded:
        with suppress(SettingsError):  # the check of secrets reports these
            by_url.setdefault(installation.server_url_of(dataset), []).append(dataset.schema_name)
    missing: list[str] = []
    for url, schemas in by_url.items():
        try:
            with connect(url) as connection:
                existing = {name for (name,) in connection.execute(SCHEMAS, [schemas])}
        except (ControlError, psycopg.Error):
            missing += schemas
            continue
        missing += sorted(set(schemas) - existing)
    yield Finding(
        check="dataset schemas",
        is_well=not missing,
        finding=f"missing: {', '.join(missing)}" if missing else f"none missing of {len(loaded)}",
        remedy=f"Load them again, such as: scout run {quote(paths[missing[0]])} --full-refresh"
        if missing
        else "",
    )


def readers(installation: Installation) -> Iterator[Finding]:
    """Check for roles that were dropped after data was shared with them."""
    with installation.store.begin() as session:
        shared = [each for each in session.scalars(select(Dataset)) if each.readers]
    dropped: list[str] = []
    remaining: dict[str, list[str]] = {}
    for each in shared:
        path, names = lookups.path(each), each.readers
        with (
            suppress(ControlError, psycopg.Error),
            connect(installation.server_url_of(each)) as connection,
        ):
            existing = {name for (name,) in connection.execute(ROLES, [names])}
            gone = [name for name in names if name not in existing]
            dropped += [f"{name} of {path}" for name in gone]
            if gone:
                remaining[path] = [name for name in names if name in existing]
    yield Finding(
        check="readers",
        is_well=not dropped,
        finding=f"dropped: {', '.join(dropped)}"
        if dropped
        else f"shared: {counted(len(shared), 'dataset')}",
        remedy=_share_again(remaining),
    )


def _share_again(remaining: Mapping[str, list[str]]) -> str:
    """Return how to share datasets with those of their readers that still exist."""
    if not remaining:
        return ""
    path, roles = next(iter(remaining.items()))
    words = " ".join(map(quote, [path, *roles]))
    return f"Create the role again, or share without it, such as: scout datasets share {words}"


def logins(installation: Installation) -> Iterator[Finding]:
    """Check for logins of people that have ended, and whose role is still there."""
    with installation.store.begin() as session:
        ended = [each.role for each in reader_logins.ended(session)]
        count = len(reader_logins.roles(session)) - len(ended)
    unknown = [role for roles in person_login.orphans(installation).values() for role in roles]
    for role in sorted({*ended, *unknown}):
        yield Finding(
            check="logins",
            is_well=False,
            finding=f"the role {role} reads a dataset for no one",
            remedy="A worker drops it within the hour; without one: scout tick",
        )
    if not ended and not unknown:
        yield Finding(check="logins", is_well=True, finding=f"of people: {count}", remedy="")


def interrupted(installation: Installation) -> Iterator[Finding]:
    """Check for runs whose worker has ended, or lost the store, before it could say so."""
    now = datetime.now(UTC)
    with installation.store.begin() as session:
        running = runs.running(session)
    for run in running:
        if not is_interrupted(run.status, run.worker, run.heartbeat_at, now):
            continue
        path = lookups.path(run.dataset)
        yield Finding(
            check=f"dataset {path}",
            is_well=False,
            finding=f"its run {run.id} was interrupted: its worker has ended or lost the store",
            remedy=f"A worker resumes it by itself; without one: scout run {quote(path)}",
        )


def failing(installation: Installation) -> Iterator[Finding]:
    """Check for datasets whose latest run failed, and quote why."""
    with installation.store.begin() as session:
        failed = session.scalars(
            select(Dataset)
            .join(Dataset.project_source)
            .where(
                Dataset.status == DatasetStatus.ERROR,
                Dataset.is_paused.is_(False),
                ProjectSource.is_active,
            )
        ).all()
        latest = {each.id: runs.latest(session, 1, each.id) for each in failed}
    for dataset in failed:
        run_id = str(latest[dataset.id][0].id) if latest[dataset.id] else None
        yield failure_finding(lookups.path(dataset), dataset.sync_error, run_id)


def failure_finding(path: str, error: str | None, run_id: str | None) -> Finding:
    """Return what to tell of a dataset whose latest run failed.

    Without an error, a credential was stored again since, which also made the dataset due.
    """
    check = f"dataset {path}"
    see = f"For its latest run, see: scout {f'runs show {run_id}' if run_id else 'runs list'}"
    if error:
        return Finding(check=check, is_well=False, finding=f"failed: {error}", remedy=see)
    again = f"A worker runs it by itself; without one: scout run {quote(path)}"
    return Finding(check=check, is_well=False, finding=FAILED_BEFORE, remedy=f"{again}. {see}")


def unlinked(installation: Installation) -> Iterator[Finding]:
    """Check for data that is no longer read, because its source is no longer linked."""
    with installation.store.begin() as session:
        rows = session.scalars(
            select(Dataset).join(Dataset.project_source).where(ProjectSource.is_active.is_(False))
        ).all()
        keep = datasets.default_keep(session)
        found = [views.Dataset.of(each, keep) for each in rows if holds_data(each)]
    for each in found:
        kept = unlinked_rules.kept(each.expires_at)
        yield Finding(
            check=f"dataset {each.path}",
            is_well=True,  # someone wanted it so
            finding=f"is unlinked: it is no longer read, and its data is kept {kept}",
            remedy=unlinked_rules.choices(each.project, each.source),
        )
