"""Looks for what is wrong with an installation; each finding says what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

import psycopg
import requests
from psycopg import sql
from sqlalchemy import select

from scout_control.api import server_checks
from scout_control.api.audit import Audit
from scout_control.api.views import Finding
from scout_control.credentials import bounded_http
from scout_control.datasets import lock_holders, mixed_readers, role_retirement, schema_drop
from scout_control.errors import RECONNECT, ControlError, ServerError
from scout_control.installation import key_rotation
from scout_control.installation.installation import Site
from scout_control.store import datasets, lookups, migrate
from scout_control.store.models import Connection, Dataset, Source
from scout_control.store.postgres import connect

OLDEST_POSTGRES = 140000
LARGEST_SKEW_SECONDS = 5.0
TIMEOUT = (5, 10)
PROGRAM_SECONDS = 60
AUDIT_EVENTS = 10_000  # of the latest: looking at all takes minutes after years
ABILITIES = """
    SELECT rolsuper OR rolcreaterole,
           has_database_privilege(current_database(), 'CREATE'),
           extract(epoch FROM clock_timestamp())::float8
      FROM pg_roles WHERE rolname = current_user
"""
SCHEMAS = """
    SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)
"""


ROLES = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"
MAY_END = """
    SELECT rolsuper OR pg_has_role('pg_signal_backend', 'USAGE')
      FROM pg_roles WHERE rolname = current_user
"""


def examine() -> list[Finding]:
    """Check everything, each check whatever the others found."""
    try:
        site = Site.load()
    except ControlError as error:
        return [Finding(check="project", is_well=False, finding=error.cause, remedy=error.remedy)]
    with site:
        findings = [Finding(check="project", is_well=True, finding=str(site.settings.project_root))]
        for name, check in CHECKS:
            findings += _checked(name, check, site)
    return findings


def _checked(name: str, check: Callable[[Site], Iterator[Finding]], site: Site) -> list[Finding]:
    try:
        return list(check(site))
    except ControlError as error:
        return [Finding(check=name, is_well=False, finding=error.cause, remedy=error.remedy)]


def _keys(site: Site) -> Iterator[Finding]:
    site.keyring.decrypt(site.keyring.encrypt({}))
    told = "SCOUT_ENCRYPTION_KEYS" if site.settings.encryption_keys else site.settings.key_file
    yield Finding(check="keys", is_well=True, finding=f"from {told}")


def _database(site: Site) -> Iterator[Finding]:
    with site.store.begin_at_any_version() as session:
        connection = session.connection().connection.driver_connection
        server = connection.info.server_version if connection else 0
        able = session.connection().exec_driver_sql(ABILITIES).one()
    yield Finding(
        check="database",
        is_well=server >= OLDEST_POSTGRES,
        finding=f"PostgreSQL {server // 10000}",
        remedy="" if server >= OLDEST_POSTGRES else "Use PostgreSQL 14 or later.",
    )
    is_able = bool(able[0] and able[1])
    yield Finding(
        check="roles",
        is_well=is_able,
        finding="may make roles and schemas" if is_able else "may not make roles or schemas",
        remedy="" if is_able else "Give the store's role CREATEROLE, and CREATE on the database.",
    )
    skew = abs(datetime.now(UTC).timestamp() - able[2])
    yield Finding(
        check="clock",
        is_well=skew < LARGEST_SKEW_SECONDS,
        finding=f"{skew:.1f} s from the database's",
        remedy="" if skew < LARGEST_SKEW_SECONDS else "Let both keep time by NTP.",
    )


def _store(site: Site) -> Iterator[Finding]:
    have, need = migrate.version(site.store), migrate.newest()
    yield Finding(
        check="store",
        is_well=have == need,
        finding=f"version {have or 'none'} of {need}",
        remedy="" if have == need else "Run: scout init",
    )


def _secrets(site: Site) -> Iterator[Finding]:
    """Try whether the keys open what is stored, and show none of it."""
    closed = key_rotation.count_closed(site)
    yield Finding(
        check="secrets",
        is_well=not closed,
        finding=f"{closed} open with none of the keys" if closed else "all open",
        remedy=f"Add the key they were stored under to the keys. Otherwise: {RECONNECT}"
        if closed
        else "",
    )


def deletions(site: Site) -> Iterator[Finding]:
    """Look for data and roles that are to be removed and could not be."""
    with site.store.begin() as session:
        ids = datasets.expired_with_data(session)
        found = session.scalars(select(Dataset).where(Dataset.id.in_(ids))).all()
    for dataset in found:
        finding = f"the data of {lookups.path(dataset)} is there still: {dataset.sync_error}"
        yield Finding(
            check="deletion",
            is_well=False,
            finding=finding,
            remedy="It is tried again every minute; "
            f"or at once: scout datasets drop {quote(lookups.path(dataset))}",
        )
    for url in sorted(site.server_urls()):
        with (
            suppress(psycopg.OperationalError, ServerError),
            lock_holders.connected(url) as connection,
        ):
            yield _ending(connection)
            yield from map(_left_role, role_retirement.undropped(connection))


def _ending(connection: psycopg.Connection[Any]) -> Finding:
    able = connection.execute(MAY_END).fetchone() == (True,)
    name, role = connection.info.dbname, connection.info.user
    finding = "may" if able else "may not"
    return Finding(
        check="deletion",
        is_well=True,  # without the right only the data that somebody holds stays
        finding=f"{finding} end sessions in {name} that hold what is to be dropped",
        remedy="" if able else f"Run as superuser: {schema_drop.grant_statement(role)}",
    )


def _left_role(left: role_retirement.UndroppedRole) -> Finding:
    where = ", ".join(left.databases) or "no database that is known"
    name = sql.Identifier(left.name).as_string(None)
    return Finding(
        check="deletion",
        is_well=False,
        finding=f"the role {left.name} of data that was removed owns something in {where}",
        remedy=f"Run there as superuser: DROP OWNED BY {name}; it is tried again every day.",
    )


def _schemas(site: Site) -> Iterator[Finding]:
    """Compare what is said to be there with what is there."""
    with site.store.begin() as session:
        datasets = session.scalars(select(Dataset).where(Dataset.last_sync_at.is_not(None))).all()
    by_url: dict[str, list[str]] = {}
    for dataset in datasets:
        by_url.setdefault(site.server_url_of(dataset), []).append(dataset.schema_name)
    missing: list[str] = []
    for url, schemas in by_url.items():
        try:
            with connect(url) as connection:
                found = {name for (name,) in connection.execute(SCHEMAS, [schemas])}
        except (ControlError, psycopg.Error):
            missing += schemas
            continue
        missing += sorted(set(schemas) - found)
    yield Finding(
        check="dataset schemas",
        is_well=not missing,
        finding=f"missing: {', '.join(missing)}" if missing else f"{len(datasets)} are there",
        remedy="Load them again: scout run --full-refresh" if missing else "",
    )


def _readers(site: Site) -> Iterator[Finding]:
    """Look for roles that data is shared with, and that somebody dropped since."""
    with site.store.begin() as session:
        shared = [each for each in session.scalars(select(Dataset)) if each.readers]
        places = [(site.server_url_of(each), lookups.path(each), each.readers) for each in shared]
    gone: list[str] = []
    for url, path, readers in places:
        with suppress(ControlError, psycopg.Error), connect(url) as connection:
            there = {name for (name,) in connection.execute(ROLES, [readers])}
            gone += [f"{name} of {path}" for name in readers if name not in there]
    yield Finding(
        check="readers",
        is_well=not gone,
        finding=f"dropped: {', '.join(gone)}" if gone else f"{len(shared)} datasets are shared",
        remedy="Create the role again, or: scout datasets share DATASET ROLE..." if gone else "",
    )


def _connections(site: Site) -> Iterator[Finding]:
    with site.store.begin() as session:
        found = session.scalars(select(Connection).where(Connection.host.is_not(None))).all()
        urls = {each.name: site.server_url(each) for each in found}
    for name, url in urls.items():
        try:
            connect(url).close()
        except ControlError as error:
            yield Finding(
                check=f"connection {name}",
                is_well=False,
                finding=error.cause,
                remedy=f"{error.remedy} To change its URL: scout connections update {name} --url",
            )
        else:
            yield Finding(check=f"connection {name}", is_well=True, finding="answers")


def _programs(site: Site) -> Iterator[Finding]:
    folder = Path(sys.executable).parent
    for name in ("meltano", "dbt"):
        version = _version(folder / name)
        yield Finding(
            check=name,
            is_well=version is not None,
            finding=version or "does not start",
            remedy="" if version else f"Install it beside {sys.executable}.",
        )
    for source_type in site.plugins.source_types():
        executable = shutil.which(source_type.executable, path=f"{folder}:/usr/bin:/bin")
        yield Finding(
            check=source_type.name,
            is_well=executable is not None,
            finding=executable or f"there is no program {source_type.executable}",
            remedy="" if executable else f"Install {source_type.name} beside {sys.executable}.",
        )


def _sources(site: Site) -> Iterator[Finding]:
    with site.store.begin() as session:
        found = session.scalars(select(Source).where(Source.is_active)).all()
    for source in found:
        url = source.base_url or site.plugins.source_type(source.source_type).base_url
        if not url:
            continue
        try:
            with bounded_http.session() as session:
                session.head(url, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            yield Finding(
                check=f"source {source.name}",
                is_well=False,
                finding=f"{url} does not answer ({type(error).__name__})",
                remedy="Check the base URL, the network and the proxy.",
            )
        else:
            yield Finding(check=f"source {source.name}", is_well=True, finding=f"{url} answers")


def _version(program: Path) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program
            [program, "--version"],
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = (done.stdout or done.stderr).split()
    return next((word.strip(",") for word in words if word[:1].isdigit()), "starts")


def _audit(site: Site) -> Iterator[Finding]:
    """Work the latest part of the audit trail out again."""
    found = Audit(site).verify(most=AUDIT_EVENTS)
    flaw = next((each["flaw"] for each in found.flaws), None)
    yield Finding(
        check="audit",
        is_well=found.is_whole,
        finding=f"not whole: {flaw}" if flaw else f"whole, {found.events} events",
        remedy="See: scout audit --verify" if flaw else "",
    )


def _mixed_readers(site: Site) -> Iterator[Finding]:
    """Look for code of a dataset's writer that runs as readers of other datasets."""
    found = mixed_readers.find(site)
    yield Finding(
        check="mixed readers",
        is_well=not found,
        finding=f"run code of a writer: {', '.join(found)}" if found else "run no writer's code",
        remedy="Let a role read one dataset, or look at its views and functions: docs/security.md"
        if found
        else "",
    )


CHECKS: tuple[tuple[str, Callable[[Site], Iterator[Finding]]], ...] = (
    ("keys", _keys),
    ("database", _database),
    ("servers", server_checks.check),
    ("store", _store),
    ("secrets", _secrets),
    ("dataset schemas", _schemas),
    ("deletion", deletions),
    ("readers", _readers),
    ("mixed readers", _mixed_readers),
    ("connections", _connections),
    ("programs", _programs),
    ("sources", _sources),
    ("audit", _audit),
)
