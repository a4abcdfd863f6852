"""Typed views of stored objects for callers: JSON-ready, and without secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scout_control.api.run_views import LogLine, Run, active_run
from scout_control.api.view import View
from scout_control.rules import retention
from scout_control.rules.credential_kinds import credential_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.store import models

__all__ = [
    "Connection",
    "Credential",
    "Dataset",
    "Finding",
    "Link",
    "LogLine",
    "Project",
    "Run",
    "Source",
    "View",
    "Worker",
]


@dataclass(frozen=True, kw_only=True)
class Connection(View):
    """A database that holds dataset schemas."""

    id: str
    name: str
    description: str
    host: str | None
    port: int
    database: str | None
    sslmode: str | None
    parameters: dict[str, Any]
    """Other parameters of its URL, such as ``sslrootcert``."""
    is_active: bool
    project_count: int

    @classmethod
    def of(
        cls, row: models.Connection, project_count: int, parameters: Mapping[str, str]
    ) -> Connection:
        """Return the view of a stored connection."""
        return cls(
            id=str(row.id),
            name=row.name,
            description=row.description,
            host=row.host,
            port=row.port,
            database=row.database,
            sslmode=row.sslmode,
            parameters=dict(parameters),
            is_active=row.is_active,
            project_count=project_count,
        )


@dataclass(frozen=True, kw_only=True)
class Project(View):
    """A group of people that shares data."""

    id: str
    name: str
    connection: str
    db_schema: str
    is_active: bool

    @classmethod
    def of(cls, row: models.Project) -> Project:
        """Return the view of a stored project."""
        return cls(
            id=row.id,
            name=row.name,
            connection=row.connection.name,
            db_schema=row.db_schema,
            is_active=row.is_active,
        )


@dataclass(frozen=True, kw_only=True)
class Source(View):
    """A configured source."""

    id: str
    name: str
    source_type: str
    base_url: str | None
    config: dict[str, Any]
    oauth_client_id: str | None
    has_client_secret: bool
    is_active: bool

    @classmethod
    def of(cls, row: models.Source) -> Source:
        """Return the view of a stored source."""
        return cls(
            id=str(row.id),
            name=row.name,
            source_type=row.source_type,
            base_url=row.base_url,
            config=row.config,
            oauth_client_id=row.oauth_client_id,
            has_client_secret=row.oauth_client_secret is not None,
            is_active=row.is_active,
        )


@dataclass(frozen=True, kw_only=True)
class Link(View):
    """The use of a source by a project."""

    id: str
    project: str
    source: str
    source_type: str
    credential_mode: str
    sync_config: dict[str, Any]
    refresh_interval_hours: int
    is_active: bool

    @classmethod
    def of(cls, row: models.ProjectSource) -> Link:
        """Return the view of a stored link."""
        return cls(
            id=str(row.id),
            project=row.project_id,
            source=row.source.name,
            source_type=row.source.source_type,
            credential_mode=row.credential_mode,
            sync_config=row.sync_config,
            refresh_interval_hours=row.refresh_interval_hours,
            is_active=row.is_active,
        )


@dataclass(frozen=True, kw_only=True)
class Credential(View):
    """A credential without its secrets."""

    id: str
    source: str
    project: str | None
    user: str | None
    kind: str
    status: str
    """``connected``, ``expired`` (renewed automatically) or ``needs reconnect``."""
    account: str | None
    token_expires_at: datetime | None
    scopes: str | None
    last_error: str | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, row: models.Credential, now: datetime) -> Credential:
        """Return the view of a stored credential; ``now`` decides whether its token has expired."""
        return cls(
            id=str(row.id),
            source=row.source.name,
            project=row.project_id,
            user=row.user_id,
            kind=row.kind,
            status=credential_status(row.token_expires_at, now, is_valid=row.is_valid),
            account=row.external_user_id,
            token_expires_at=row.token_expires_at,
            scopes=row.scopes,
            last_error=row.last_error,
            last_used_at=row.last_used_at,
        )


@dataclass(frozen=True, kw_only=True)
class Dataset(View):
    """A source materialised for one owner."""

    id: str
    path: str
    schema: str
    alias: str | None
    """The schema in which people find what is to be read; None before its first run."""
    project: str
    source: str
    source_type: str
    user: str | None
    status: str
    is_paused: bool
    is_linked: bool
    """Whether its project still uses its source; else it is no longer read."""
    readers: list[str]
    row_counts: dict[str, Any]
    last_sync_at: datetime | None
    next_sync_at: datetime | None
    """When it is read next; None also while its source is not linked."""
    last_activity_at: datetime
    keep: str
    """How long its data is kept without use: 24h, 30d, forever."""
    expires_at: datetime | None
    """When its data expires unless it is used before."""
    agreed_at: datetime | None
    """When the user consented that the project reads with their credential."""
    sync_error: str | None
    run: dict[str, Any] | None
    """Its active run: run_id, status, phase, progress, activity, resume_at."""

    @classmethod
    def of(cls, row: models.Dataset, default_keep: float, run: models.Run | None = None) -> Dataset:
        """Return the view of a stored dataset, with its active run."""
        from scout_control.store import lookups

        link = row.project_source
        keep = default_keep if row.keep_hours is None else row.keep_hours
        has_data = row.last_sync_at is not None
        return cls(
            id=str(row.id),
            path=lookups.path(row),
            schema=row.schema_name,
            alias=row.alias,
            project=link.project_id,
            source=link.source.name,
            source_type=link.source.source_type,
            user=row.user_id,
            status=row.status,
            is_paused=row.is_paused,
            is_linked=link.is_active,
            readers=row.readers,
            row_counts=row.row_counts,
            last_sync_at=row.last_sync_at,
            next_sync_at=row.next_sync_at if link.is_active else None,
            last_activity_at=row.last_activity_at,
            keep=retention.format_period(keep),
            expires_at=retention.expires_at(row.last_activity_at, keep) if has_data else None,
            agreed_at=row.agreed_at,
            sync_error=row.sync_error,
            run=active_run(run) if run else None,
        )


@dataclass(frozen=True, kw_only=True)
class Finding(View):
    """The result of one check; where ``is_well`` is true, a remedy is only advice."""

    check: str
    is_well: bool
    finding: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Worker(View):
    """A worker process, as the queue knows it."""

    id: int
    last_seen_at: datetime
    is_alive: bool
    """Whether it gave a sign of life within the last minute."""
    runs: list[str]
    """The ids of the runs that it executes."""
