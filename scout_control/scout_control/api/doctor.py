"""Checks an installation; each problem found comes with its remedy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from shlex import quote
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import func, select

from scout_control.api import (
    dataset_checks,
    disk_checks,
    program_checks,
    secret_checks,
    server_checks,
)
from scout_control.api.audit import Audit, Verification
from scout_control.api.views import Finding
from scout_control.credentials import bounded_http
from scout_control.datasets import cross_dataset_readers, lock_holders, role_retirement, schema_drop
from scout_control.errors import ControlError, ServerError, SettingsError
from scout_control.installation.installation import Installation
from scout_control.rules.wording import counted
from scout_control.store import datasets, lookups, migrate
from scout_control.store.models import Connection, Dataset, ProjectSource, Source
from scout_control.store.postgres import connect

OLDEST_POSTGRES = 140000
LARGEST_SKEW_SECONDS = 5.0
CHANGE_URL = "To change its URL: scout connections update"
LOOK_AGAIN = "Look again later."
AUDIT_EVENTS = 10_000  # only the latest: after years, verifying all takes minutes
PRIVILEGES = """
    SELECT rolsuper OR rolcreaterole,
           has_database_privilege(current_database(), 'CREATE'),
           extract(epoch FROM clock_timestamp())::float8
      FROM pg_roles WHERE rolname = current_user
"""
CAN_TERMINATE_SESSIONS = """
    SELECT rolsuper OR pg_has_role('pg_signal_backend', 'USAGE')
      FROM pg_roles WHERE rolname = current_user
"""


def run_checks() -> list[Finding]:
    """Run all checks; a check that fails does not stop the others."""
    try:
        installation = Installation.load()
    except ControlError as error:
        return [Finding(check="project", is_well=False, finding=error.cause, remedy=error.remedy)]
    with installation:
        return examine(installation)


def examine(installation: Installation, most_seconds: float | None = None) -> list[Finding]:
    """Run all checks of an open installation; a check that fails does not stop the others.

    Args:
        installation: The installation.
        most_seconds: Begin no further check after this time, and say which were left out.
    """
    root = str(installation.settings.project_root)
    findings = [Finding(check="project", is_well=True, finding=root)]
    until = None if most_seconds is None else time.monotonic() + most_seconds
    incomplete: list[str] = []
    for name, check in CHECKS:
        findings += _run(name, check, installation, incomplete, until)
    if incomplete:
        names = f"not completed within {most_seconds:.0f} s: {', '.join(incomplete)}"
        missing = Finding(check="checks", is_well=False, finding=names, remedy=LOOK_AGAIN)
        findings.append(missing)
    return findings


def _run(
    name: str,
    check: Callable[[Installation], Iterator[Finding]],
    installation: Installation,
    incomplete: list[str],
    until: float | None = None,
) -> Iterator[Finding]:
    """Yield what a check finds, for as long as there is time: it may look at many servers.

    If there is not enough, its name is added to ``incomplete``.
    """
    found = check(installation)
    while until is None or time.monotonic() < until:
        try:
            finding = next(found, None)
        except ControlError as error:
            finding = Finding(check=name, is_well=False, finding=error.cause, remedy=error.remedy)
            found = iter(())
        if finding is None:
            return
        yield finding
    incomplete.append(name)


def _keys(installation: Installation) -> Iterator[Finding]:
    installation.keyring.decrypt(installation.keyring.encrypt({}))
    settings = installation.settings
    origin = "SCOUT_ENCRYPTION_KEYS" if settings.encryption_keys else settings.key_file
    yield Finding(check="keys", is_well=True, finding=f"from {origin}")


def _database(installation: Installation) -> Iterator[Finding]:
    with installation.store.begin_at_any_version() as session:
        connection = session.connection().connection.driver_connection
        version = connection.info.server_version if connection else 0
        can_create_roles, can_create_schemas, server_time = (
            session.connection().exec_driver_sql(PRIVILEGES).one()
        )
    yield version_finding(version)
    yield privileges_finding(is_able=bool(can_create_roles and can_create_schemas))
    yield clock_finding(abs(datetime.now(UTC).timestamp() - server_time))


def version_finding(version: int) -> Finding:
    """Return whether a version of Postgres, as libpq numbers it, is supported."""
    return Finding(
        check="database",
        is_well=version >= OLDEST_POSTGRES,
        finding=f"PostgreSQL {version // 10000}",
        remedy="" if version >= OLDEST_POSTGRES else "Use PostgreSQL 14 or later.",
    )


def privileges_finding(*, is_able: bool) -> Finding:
    """Return whether the role of the store can create what datasets need."""
    return Finding(
        check="roles",
        is_well=is_able,
        finding="may create roles and schemas" if is_able else "may not create roles or schemas",
        remedy="" if is_able else "Give the store's role CREATEROLE, and CREATE on the database.",
    )


def clock_finding(skew: float) -> Finding:
    """Return whether the clocks of this machine and of the database agree well enough."""
    is_well = skew < LARGEST_SKEW_SECONDS
    return Finding(
        check="clock",
        is_well=is_well,
        finding=f"{skew:.1f} s from the database's",
        remedy="" if is_well else "Synchronise both clocks by NTP.",
    )


def _store(installation: Installation) -> Iterator[Finding]:
    yield store_finding(migrate.version(installation.store), migrate.newest())


def store_finding(current: str | None, newest: str) -> Finding:
    """Return whether the store has the version of this program."""
    return Finding(
        check="store",
        is_well=current == newest,
        finding=f"version {current or 'none'} of {newest}",
        remedy="" if current == newest else "Run: scout init",
    )


def deletions(installation: Installation) -> Iterator[Finding]:
    """Check for data and roles whose removal has failed so far."""
    with installation.store.begin() as session:
        ids = datasets.expired_with_data(session)
        unremoved = session.scalars(select(Dataset).where(Dataset.id.in_(ids))).all()
    for dataset in unremoved:
        path = lookups.path(dataset)
        yield Finding(
            check="deletion",
            is_well=False,
            finding=f"the data of {path} could not be dropped: {dataset.sync_error}",
            remedy=f"This is retried every minute; to retry now: scout datasets drop {quote(path)}",
        )
    for url in sorted(installation.usable_server_urls()):
        with (
            suppress(psycopg.OperationalError, ServerError),
            lock_holders.connected(url) as connection,
        ):
            yield _can_terminate_sessions(connection)
            yield from map(_remaining_role, role_retirement.undropped(connection))


def _can_terminate_sessions(connection: psycopg.Connection[Any]) -> Finding:
    is_able = connection.execute(CAN_TERMINATE_SESSIONS).fetchone() == (True,)
    name, role = connection.info.dbname, connection.info.user
    return Finding(
        check="deletion",
        is_well=True,  # without it only data that a session blocks cannot be dropped
        finding=f"{'may' if is_able else 'may not'} terminate sessions in {name} "
        "that block a deletion",
        remedy="" if is_able else f"Run as superuser: {schema_drop.grant_statement(role)}",
    )


def _remaining_role(role: role_retirement.UndroppedRole) -> Finding:
    where = ", ".join(role.databases) or "an unknown database"
    name = sql.Identifier(role.name).as_string(None)
    return Finding(
        check="deletion",
        is_well=False,
        finding=f"the role {role.name} of dropped data still owns objects in {where}",
        remedy=f"Run there as superuser: DROP OWNED BY {name}; removal is retried every day.",
    )


def _connections(installation: Installation) -> Iterator[Finding]:
    with installation.store.begin() as session:
        rows = session.scalars(select(Connection).where(Connection.host.is_not(None))).all()
    for row in rows:
        name = row.name
        try:
            connect(installation.server_url(row)).close()
        except SettingsError:  # the check of secrets reports these
            continue
        except ControlError as error:
            yield Finding(
                check=f"connection {name}",
                is_well=False,
                finding=error.cause,
                remedy=f"{error.remedy} {CHANGE_URL} {quote(name)} --url",
            )
        else:
            yield Finding(check=f"connection {name}", is_well=True, finding="answers")


SOURCES_ALL_PAUSED = (
    select(ProjectSource.source_id)
    .join(Dataset, Dataset.project_source_id == ProjectSource.id)
    .group_by(ProjectSource.source_id)
    .having(func.bool_and(Dataset.is_paused))
)


def _sources(installation: Installation) -> Iterator[Finding]:
    with installation.store.begin() as session:
        sources = session.scalars(select(Source).where(Source.is_active)).all()
        paused = set(session.scalars(SOURCES_ALL_PAUSED))
    for source in sources:
        url = source.base_url or installation.plugins.source_type(source.source_type).base_url
        if not url:
            continue
        if source.id in paused:  # such as the demo's, whose sandbox is stopped
            finding = f"{url} is not checked: all datasets are paused"
            yield Finding(check=f"source {source.name}", is_well=True, finding=finding)
            continue
        if why := bounded_http.find_connection_error(url):
            yield Finding(
                check=f"source {source.name}",
                is_well=False,
                finding=f"{url} does not answer ({why})",
                remedy="Check the base URL, the network and the proxy.",
            )
        else:
            yield Finding(check=f"source {source.name}", is_well=True, finding=f"{url} answers")


def _audit(installation: Installation) -> Iterator[Finding]:
    yield audit_finding(Audit(installation).verify(most=AUDIT_EVENTS))


def audit_finding(verification: Verification) -> Finding:
    """Return whether the audit trail was tampered with."""
    flaw = next((each["flaw"] for each in verification.flaws), None)
    return Finding(
        check="audit",
        is_well=verification.is_whole,
        finding=f"tampered with: {flaw}"
        if flaw
        else f"intact, {counted(verification.events, 'event')}",
        remedy="See: scout audit --verify" if flaw else "",
    )


def _cross_dataset_readers(installation: Installation) -> Iterator[Finding]:
    """Check for views of a dataset whose code would run as readers of other datasets."""
    datasets_with_code = cross_dataset_readers.find(installation)
    yield Finding(
        check="cross-dataset readers",
        is_well=not datasets_with_code,
        finding=f"run code of a writer: {', '.join(datasets_with_code)}"
        if datasets_with_code
        else "run no writer's code",
        remedy="Share one dataset per role, or review its views and functions: docs/security.md"
        if datasets_with_code
        else "",
    )


CHECKS: tuple[tuple[str, Callable[[Installation], Iterator[Finding]]], ...] = (
    ("keys", _keys),
    ("database", _database),
    ("servers", server_checks.check),
    ("disk", disk_checks.check),
    ("store", _store),
    ("secrets", secret_checks.check),
    ("dataset schemas", dataset_checks.schemas),
    ("deletion", deletions),
    ("datasets", dataset_checks.failing),
    ("unlinked data", dataset_checks.unlinked),
    ("runs", dataset_checks.interrupted),
    ("readers", dataset_checks.readers),
    ("logins", dataset_checks.logins),
    ("cross-dataset readers", _cross_dataset_readers),
    ("connections", _connections),
    ("programs", program_checks.check),
    ("sources", _sources),
    ("audit", _audit),
)
