"""Datasets, their runs and touches, and the discovered metadata of their sources."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import BigInteger

from scout_control.store.models.base import ONE_OWNER, Base, Identified
from scout_control.store.models.owners import ProjectSource


class Dataset(Identified, Base):
    """A source materialised for one owner, in one dataset schema."""

    __tablename__ = "datasets"
    __table_args__ = (
        Index(
            "datasets_of_project",
            "project_source_id",
            unique=True,
            postgresql_where=text("user_id IS NULL"),
        ),
        Index(
            "datasets_of_user",
            "project_source_id",
            "user_id",
            unique=True,
            postgresql_where=text("user_id IS NOT NULL"),
        ),
        Index(
            "datasets_due",
            "next_sync_at",
            postgresql_where=text("status IN ('pending', 'ready', 'error') AND NOT is_paused"),
        ),
        Index("datasets_idle", "last_activity_at", postgresql_where=text("status <> 'expired'")),
        CheckConstraint("octet_length(schema_name) BETWEEN 1 AND 55", name="schema_name_fits"),
        CheckConstraint(
            "status IN ('pending', 'syncing', 'ready', 'error', 'expired')", name="status_is_known"
        ),
    )

    project_source_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("project_sources.id", ondelete="RESTRICT")
    )
    user_id: Mapped[str | None]
    schema_name: Mapped[str] = mapped_column(unique=True)
    owner: Mapped[str]
    """The comment of the dataset schema: a digest, since every role can read comments."""
    alias: Mapped[str | None] = mapped_column(unique=True)
    """The schema in which people find what is to be read, under a name that they can type."""
    reader_login: Mapped[bytes | None]
    """Ciphertext of the password of people's tools."""
    agreed_at: Mapped[datetime | None]
    """When the user consented to this project's use of their credential."""
    agreed_by: Mapped[str | None]
    readers: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    """The only roles that may read the dataset."""
    status: Mapped[str] = mapped_column(server_default="pending")
    is_paused: Mapped[bool] = mapped_column(server_default=text("false"))
    """Excluded from scheduled refreshes."""
    failures: Mapped[int] = mapped_column(server_default="0")
    """Consecutive failed runs."""
    last_sync_at: Mapped[datetime | None]
    next_sync_at: Mapped[datetime | None]
    sync_error: Mapped[str | None]
    row_counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    last_activity_at: Mapped[datetime] = mapped_column(server_default=func.now())
    hash_key: Mapped[bytes | None]
    """Ciphertext of the key under which columns are hashed."""
    keep_hours: Mapped[float | None]
    """How long its data is kept without use; ``Infinity``: for ever; null: as installed."""

    project_source: Mapped[ProjectSource] = relationship(lazy="joined")


class Run(Identified, Base):
    """One execution for one dataset; at most one run per dataset is live."""

    __tablename__ = "runs"
    __table_args__ = (
        Index(
            "runs_one_alive",
            "dataset_id",
            unique=True,
            postgresql_where=text("status IN ('queued', 'running', 'paused')"),
        ),
        Index(
            "runs_alive",
            "status",
            "heartbeat_at",
            postgresql_where=text("status IN ('queued', 'running', 'paused')"),
        ),
        Index("runs_latest", "dataset_id", text("created_at DESC")),
        Index("runs_newest", text("created_at DESC"), text("id DESC")),
        Index("runs_ended", "completed_at"),
        CheckConstraint(
            "status IN ('queued', 'running', 'paused', 'completed', 'partial', 'failed',"
            " 'cancelled')",
            name="status_is_known",
        ),
        CheckConstraint(
            "(status = 'paused') = (resume_at IS NOT NULL)", name="paused_knows_until_when"
        ),
    )

    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(server_default="queued")
    phase: Mapped[str] = mapped_column(server_default="started")
    trigger: Mapped[str] = mapped_column(server_default="manual")
    is_full_refresh: Mapped[bool] = mapped_column(server_default=text("false"))
    attempt: Mapped[int] = mapped_column(server_default="0")
    deaths: Mapped[int] = mapped_column(server_default="0")
    """How often its worker died since it last paused."""
    worker: Mapped[str | None]
    pid: Mapped[int | None]
    started_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    resume_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    activity: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """What a running run does beside counting: seconds of its phases, dbt's models, a wait."""
    rows_loaded: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    result: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    transform_error: Mapped[str | None]

    dataset: Mapped[Dataset] = relationship(lazy="joined")


class RunLogChunk(Base):
    """Some lines of a run's log: compressed, redacted, removed with the run."""

    __tablename__ = "run_logs"
    __table_args__ = (Index("run_logs_written", "written_at"),)

    run_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    attempt: Mapped[int] = mapped_column(primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True)
    """Counts from 0 in each attempt; a gap is what was removed to keep the log bounded."""
    written_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lines: Mapped[bytes]


class SourceMetadata(Identified, Base):
    """Discovered metadata of a source, for one owner; kept when the data expires."""

    __tablename__ = "source_metadata"
    __table_args__ = (
        CheckConstraint(ONE_OWNER, name="project_xor_user"),
        Index(
            "source_metadata_of_project",
            "source_id",
            "project_id",
            unique=True,
            postgresql_where=text("project_id IS NOT NULL"),
        ),
        Index(
            "source_metadata_of_user",
            "source_id",
            "user_id",
            unique=True,
            postgresql_where=text("user_id IS NOT NULL"),
        ),
    )

    source_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sources.id", ondelete="CASCADE"))
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    user_id: Mapped[str | None]
    document: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    discovered_at: Mapped[datetime | None]


class Touch(Base):
    """A reader's report that it uses a dataset; merged into the dataset periodically."""

    __tablename__ = "touches"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    schema_name: Mapped[str]
    touched_at: Mapped[datetime] = mapped_column(server_default=func.now())
