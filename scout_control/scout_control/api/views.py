"""What callers get to see: plain, typed, ready for JSON, and without a secret."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scout_control.rules.json_values import to_json_value
from scout_control.store import lookups

if TYPE_CHECKING:
    from scout_control.store import models


class View:
    """A thing as callers see it."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return {name: to_json_value(value) for name, value in asdict(self).items()}  # type: ignore[call-overload]  # every view is a dataclass


@dataclass(frozen=True, kw_only=True)
class Connection(View):
    """A database that dataset schemas live in."""

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
    def of(cls, found: models.Connection, project_count: int) -> Connection:
        """Return how callers see it."""
        return cls(
            id=str(found.id),
            name=found.name,
            description=found.description,
            host=found.host,
            port=found.port,
            database=found.database,
            sslmode=found.sslmode,
            is_active=found.is_active,
            project_count=project_count,
        )


@dataclass(frozen=True, kw_only=True)
class Project(View):
    """A group that shares data."""

    id: str
    name: str
    connection: str
    db_schema: str
    is_active: bool

    @classmethod
    def of(cls, found: models.Project) -> Project:
        """Return how callers see it."""
        return cls(
            id=found.id,
            name=found.name,
            connection=found.connection.name,
            db_schema=found.db_schema,
            is_active=found.is_active,
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
    def of(cls, found: models.Source) -> Source:
        """Return how callers see it."""
        return cls(
            id=str(found.id),
            name=found.name,
            source_type=found.source_type,
            base_url=found.base_url,
            config=found.config,
            oauth_client_id=found.oauth_client_id,
            has_client_secret=found.oauth_client_secret is not None,
            is_active=found.is_active,
        )


@dataclass(frozen=True, kw_only=True)
class Link(View):
    """A source as a project uses it."""

    id: str
    project: str
    source: str
    source_type: str
    credential_mode: str
    sync_config: dict[str, Any]
    refresh_interval_hours: int
    is_active: bool

    @classmethod
    def of(cls, found: models.ProjectSource) -> Link:
        """Return how callers see it."""
        return cls(
            id=str(found.id),
            project=found.project_id,
            source=found.source.name,
            source_type=found.source.source_type,
            credential_mode=found.credential_mode,
            sync_config=found.sync_config,
            refresh_interval_hours=found.refresh_interval_hours,
            is_active=found.is_active,
        )


@dataclass(frozen=True, kw_only=True)
class Credential(View):
    """A login, as far as anybody may see it."""

    id: str
    source: str
    project: str | None
    user: str | None
    kind: str
    status: str
    """``connected``, ``expired`` (is renewed by itself) or ``needs reconnect``."""
    account: str | None
    token_expires_at: datetime | None
    scopes: str | None
    last_error: str | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, found: models.Credential, now: datetime) -> Credential:
        """Return how callers see it."""
        is_over = found.token_expires_at is not None and found.token_expires_at <= now
        return cls(
            id=str(found.id),
            source=found.source.name,
            project=found.project_id,
            user=found.user_id,
            kind=found.kind,
            status=("expired" if is_over else "connected") if found.is_valid else "needs reconnect",
            account=found.external_user_id,
            token_expires_at=found.token_expires_at,
            scopes=found.scopes,
            last_error=found.last_error,
            last_used_at=found.last_used_at,
        )


@dataclass(frozen=True, kw_only=True)
class Dataset(View):
    """A source materialised for one owner."""

    id: str
    path: str
    schema: str
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
    agreed_at: datetime | None
    """Since when a user lets the project read with their login."""
    sync_error: str | None
    run: dict[str, Any] | None
    """Its run that has not ended: run_id, status, phase, progress, resume_at."""

    @classmethod
    def of(cls, found: models.Dataset, run: models.Run | None = None) -> Dataset:
        """Return how callers see it, and its run that has not ended."""
        link = found.project_source
        return cls(
            id=str(found.id),
            path=lookups.path(found),
            schema=found.schema_name,
            project=link.project_id,
            source=link.source.name,
            source_type=link.source.source_type,
            user=found.user_id,
            status=found.status,
            is_paused=found.is_paused,
            readers=found.readers,
            row_counts=found.row_counts,
            last_sync_at=found.last_sync_at,
            next_sync_at=found.next_sync_at,
            last_activity_at=found.last_activity_at,
            agreed_at=found.agreed_at,
            sync_error=found.sync_error,
            run=_alive(run) if run else None,
        )


def _alive(run: models.Run) -> dict[str, Any]:
    names = ("status", "phase", "progress", "resume_at")
    return {"run_id": str(run.id)} | {name: to_json_value(getattr(run, name)) for name in names}


@dataclass(frozen=True, kw_only=True)
class Run(View):
    """One execution for one dataset."""

    run_id: str
    dataset: str
    schema: str
    status: str
    phase: str
    trigger: str
    attempt: int
    started_at: datetime | None
    completed_at: datetime | None
    resume_at: datetime | None
    heartbeat_at: datetime | None
    progress: dict[str, Any]
    rows_loaded: dict[str, Any]
    result: dict[str, Any]
    error_code: str | None
    error_message: str | None
    transform_error: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON knows it: ``rows_loaded`` is the sum, ``sources`` tells the streams."""
        ended = self.result if self.result.get("status") == self.status else {}
        total = sum(self.rows_loaded.values())
        return {"sources": {}, **ended, **super().as_dict(), "rows_loaded": total}

    @classmethod
    def of(cls, found: models.Run) -> Run:
        """Return how callers see it."""
        return cls(
            run_id=str(found.id),
            dataset=lookups.path(found.dataset),
            schema=found.dataset.schema_name,
            status=found.status,
            phase=found.phase,
            trigger=found.trigger,
            attempt=found.attempt,
            started_at=found.started_at,
            completed_at=found.completed_at,
            resume_at=found.resume_at,
            heartbeat_at=found.heartbeat_at,
            progress=found.progress,
            rows_loaded=found.rows_loaded,
            result=found.result,
            error_code=found.error_code,
            error_message=found.error_message,
            transform_error=found.transform_error,
        )


@dataclass(frozen=True, kw_only=True)
class Finding(View):
    """What a check found; one that is well may have a remedy nonetheless, which is advice."""

    check: str
    is_well: bool
    finding: str
    remedy: str = ""
