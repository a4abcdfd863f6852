"""Typed views of stored objects for callers: JSON-ready, and without secrets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scout_control.rules import retention
from scout_control.rules.json_values import to_json_value
from scout_control.rules.statuses import Stage

if TYPE_CHECKING:
    from scout_control.store import models
    from scout_control.store.run_logs import Entry


class View:
    """Base of all views, which are dataclasses."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON representation."""
        return {name: to_json_value(value) for name, value in asdict(self).items()}  # type: ignore[call-overload]  # every view is a dataclass


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
    is_active: bool
    project_count: int

    @classmethod
    def of(cls, row: models.Connection, project_count: int) -> Connection:
        """Return the view of a stored connection."""
        return cls(
            id=str(row.id),
            name=row.name,
            description=row.description,
            host=row.host,
            port=row.port,
            database=row.database,
            sslmode=row.sslmode,
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


def credential_status(expires_at: datetime | None, now: datetime, *, is_valid: bool) -> str:
    """Return the status of a credential as people see it."""
    if not is_valid:
        return "needs reconnect"
    return "expired" if expires_at is not None and expires_at <= now else "connected"


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
    readers: list[str]
    row_counts: dict[str, Any]
    last_sync_at: datetime | None
    next_sync_at: datetime | None
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
            readers=row.readers,
            row_counts=row.row_counts,
            last_sync_at=row.last_sync_at,
            next_sync_at=row.next_sync_at,
            last_activity_at=row.last_activity_at,
            keep=retention.format_period(keep),
            expires_at=retention.expires_at(row.last_activity_at, keep) if has_data else None,
            agreed_at=row.agreed_at,
            sync_error=row.sync_error,
            run=_active_run(run) if run else None,
        )


def _active_run(run: models.Run) -> dict[str, Any]:
    names = ("status", "phase", "progress", "activity", "resume_at")
    return {"run_id": str(run.id)} | {name: to_json_value(getattr(run, name)) for name in names}


@dataclass(frozen=True, kw_only=True)
class Run(View):
    """One execution for one dataset."""

    run_id: str
    dataset: str
    schema: str
    alias: str | None
    """The schema in which people find what is to be read."""
    status: str
    phase: str
    trigger: str
    attempt: int
    started_at: datetime | None
    completed_at: datetime | None
    resume_at: datetime | None
    heartbeat_at: datetime | None
    progress: dict[str, Any]
    activity: dict[str, Any]
    """While it runs: ``phases`` with their seconds, dbt's ``models``, what it ``wait``s for."""
    rows_loaded: dict[str, Any]
    result: dict[str, Any]
    error_code: str | None
    error_message: str | None
    transform_error: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON representation: ``rows_loaded`` in total, ``sources`` per stream."""
        ended = self.result if self.result.get("status") == self.status else {}
        total = sum(self.rows_loaded.values())
        derived = {"seconds": self.seconds, "phase_seconds": self.phase_seconds}
        return {"sources": {}, **ended, **super().as_dict(), **derived, "rows_loaded": total}

    @property
    def seconds(self) -> float | None:
        """How long it worked; None before it starts.

        Of a run that was interrupted in between, only the time that its attempts took.
        """
        if self.phase_seconds:
            return round(sum(self.phase_seconds.values()), 1)
        if self.started_at is None:
            return None
        ended_at = self.completed_at or self.heartbeat_at or self.started_at
        return max(0.0, round((ended_at - self.started_at).total_seconds(), 1))

    @property
    def phase_seconds(self) -> dict[str, float]:
        """The seconds of prepare, load, transform and finish, up to now."""
        found = self.activity.get("phases") or self.result.get("phase_seconds") or {}
        return {str(stage): found[stage] for stage in Stage if stage in found}

    @classmethod
    def of(cls, row: models.Run) -> Run:
        """Return the view of a stored run."""
        from scout_control.store import lookups

        return cls(
            run_id=str(row.id),
            dataset=lookups.path(row.dataset),
            schema=row.dataset.schema_name,
            alias=row.dataset.alias,
            status=row.status,
            phase=row.phase,
            trigger=row.trigger,
            attempt=row.attempt,
            started_at=row.started_at,
            completed_at=row.completed_at,
            resume_at=row.resume_at,
            heartbeat_at=row.heartbeat_at,
            progress=row.progress,
            activity=row.activity,
            rows_loaded=row.rows_loaded,
            result=row.result,
            error_code=row.error_code,
            error_message=row.error_message,
            transform_error=row.transform_error,
        )


@dataclass(frozen=True, kw_only=True)
class LogLine(View):
    """One line of a run's log."""

    at: str
    """The moment, as RFC 3339 in UTC."""
    level: str
    source: str
    """Which plugin or program wrote it."""
    text: str

    @classmethod
    def of(cls, entry: Entry) -> LogLine:
        """Return the view of a stored entry."""
        return cls(at=entry.at, level=entry.level, source=entry.source, text=entry.text)

    @classmethod
    def gap(cls, at: str) -> LogLine:
        """Return the line that stands for those that were removed."""
        text = "(Lines left out: of a long log, the beginning and the end are kept.)"
        return cls(at=at, level="info", source="scout", text=text)


@dataclass(frozen=True, kw_only=True)
class Finding(View):
    """The result of one check; where ``is_well`` is true, a remedy is only advice."""

    check: str
    is_well: bool
    finding: str
    remedy: str = ""
