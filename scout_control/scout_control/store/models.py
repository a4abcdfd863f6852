"""The tables of schema ``scout_control``, and what the database itself refuses to hold.

Owners are the caller's own ids, as text. Secrets are ciphertexts here; only ``credentials`` can
read them. NULL defeats a plain unique constraint, hence the pairs of partial indexes. Migrations
make the tables; a test holds both together.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import BigInteger, LargeBinary, Text

SCHEMA = "scout_control"
VERSION = "0007"
"""The newest of ``migrations``, which makes these tables."""
NAMES = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}
ONE_OWNER = "(project_id IS NULL) <> (user_id IS NULL)"


class Base(DeclarativeBase):
    """Columns are what their annotation says: text, moments with zone, JSON."""

    metadata = MetaData(schema=SCHEMA, naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads a plain dict
        str: Text,
        datetime: DateTime(timezone=True),
        uuid.UUID: UUID(as_uuid=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
        bytes: LargeBinary,
    }


class Identified:
    """A row with an id of its own, and when it was made and changed."""

    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, default=uuid.uuid4, server_default=text("gen_random_uuid()")
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class Connection(Identified, Base):
    """A database that dataset schemas live in; without a host it is the store's own."""

    __tablename__ = "connections"
    __table_args__ = (
        CheckConstraint("port BETWEEN 1 AND 65535", name="port_is_a_port"),
        CheckConstraint("(host IS NULL) = (login IS NULL)", name="login_where_host"),
    )

    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(server_default="")
    host: Mapped[str | None]
    port: Mapped[int] = mapped_column(server_default="5432")
    database: Mapped[str | None]
    sslmode: Mapped[str | None]
    login: Mapped[bytes | None]
    """Ciphertext of user and password."""
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_by: Mapped[str | None]


class Project(Base):
    """A group that shares data; the id is the caller's own."""

    __tablename__ = "projects"
    __table_args__ = (CheckConstraint("id <> ''", name="id_is_not_empty"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    connection_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("connections.id", ondelete="RESTRICT"), index=True
    )
    db_schema: Mapped[str] = mapped_column(server_default="public")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())

    connection: Mapped[Connection] = relationship(lazy="joined")


class Source(Identified, Base):
    """A configured source: which extractor, and what it is told."""

    __tablename__ = "sources"
    __table_args__ = (CheckConstraint("name <> ''", name="name_is_not_empty"),)

    name: Mapped[str] = mapped_column(unique=True)
    source_type: Mapped[str]
    """An extractor of meltano.yml."""
    base_url: Mapped[str | None]
    config: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    oauth_client_id: Mapped[str | None]
    oauth_client_secret: Mapped[bytes | None]
    """Ciphertext."""
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_by: Mapped[str | None]


class ProjectSource(Identified, Base):
    """A source linked to a project: with whose login, how often, and which part of it."""

    __tablename__ = "project_sources"
    __table_args__ = (
        UniqueConstraint("project_id", "source_id"),
        CheckConstraint("credential_mode IN ('project', 'user')", name="credential_mode_is_known"),
        CheckConstraint("refresh_interval_hours > 0", name="interval_is_positive"),
    )

    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="RESTRICT"))
    source_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("sources.id", ondelete="RESTRICT"), index=True
    )
    credential_mode: Mapped[str] = mapped_column(server_default="user")
    sync_config: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    refresh_interval_hours: Mapped[int] = mapped_column(server_default="24")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))

    project: Mapped[Project] = relationship(lazy="joined")
    source: Mapped[Source] = relationship(lazy="joined")


class Credential(Identified, Base):
    """The login of one owner at one source."""

    __tablename__ = "credentials"
    __table_args__ = (
        CheckConstraint(ONE_OWNER, name="project_xor_user"),
        Index(
            "credentials_of_project",
            "source_id",
            "project_id",
            unique=True,
            postgresql_where=text("project_id IS NOT NULL"),
        ),
        Index(
            "credentials_of_user",
            "source_id",
            "user_id",
            unique=True,
            postgresql_where=text("user_id IS NOT NULL"),
        ),
        Index(
            "credentials_expiring",
            "token_expires_at",
            postgresql_where=text("is_valid AND token_expires_at IS NOT NULL"),
        ),
    )

    source_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sources.id", ondelete="RESTRICT"))
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id", ondelete="RESTRICT"))
    user_id: Mapped[str | None]
    kind: Mapped[str]
    secrets: Mapped[bytes]
    """Ciphertext of the fields by name."""
    token_expires_at: Mapped[datetime | None]
    scopes: Mapped[str | None]
    external_user_id: Mapped[str | None]
    is_valid: Mapped[bool] = mapped_column(server_default=text("true"))
    last_error: Mapped[str | None]
    last_used_at: Mapped[datetime | None]

    source: Mapped[Source] = relationship(lazy="joined")


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
    """What the comment of the dataset schema says: a digest, since every role can read it."""
    agreed_at: Mapped[datetime | None]
    """Since when the user lets this project read the source with their login."""
    agreed_by: Mapped[str | None]
    readers: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    """Roles that may read; nobody else may."""
    status: Mapped[str] = mapped_column(server_default="pending")
    is_paused: Mapped[bool] = mapped_column(server_default=text("false"))
    """Left alone by the schedule."""
    failures: Mapped[int] = mapped_column(server_default="0")
    """Failed runs in a row."""
    last_sync_at: Mapped[datetime | None]
    next_sync_at: Mapped[datetime | None]
    sync_error: Mapped[str | None]
    row_counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    last_activity_at: Mapped[datetime] = mapped_column(server_default=func.now())

    project_source: Mapped[ProjectSource] = relationship(lazy="joined")


class Run(Identified, Base):
    """One execution for one dataset; at most one of a dataset is alive."""

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
    rows_loaded: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    result: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    transform_error: Mapped[str | None]

    dataset: Mapped[Dataset] = relationship(lazy="joined")


class SourceMetadata(Identified, Base):
    """What discovery found at a source for one owner; outlives the dataset schema."""

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


class AuditEvent(Base):
    """What happened, and when; never a secret. Who did it to whom is in ``values``.

    Triggers refuse to change or remove a row, and give each one its place in ``AuditLink``.
    """

    __tablename__ = "audit_events"
    __table_args__ = (Index("audit_events_of_action", "action", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"), index=True)
    action: Mapped[str]
    subject_kind: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """What the trail itself removed, and why; nothing of a person."""
    digests: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Salted digests of ``values`` by name: the chain holds when a value is erased."""

    values: Mapped[list[AuditValue]] = relationship(
        cascade="save-update", passive_deletes="all", lazy="raise"
    )


class AuditValue(Base):
    """One thing that an event says of a person or owner: can be erased, but not changed unseen."""

    __tablename__ = "audit_values"
    __table_args__ = (
        Index(
            "audit_values_of_name",
            "name",
            "value",
            "event_id",
            postgresql_where=text("name <> 'details'"),
        ),
    )

    event_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("audit_events.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True)
    salt: Mapped[bytes]
    value: Mapped[str]


class AuditLink(Base):
    """The position of an event in the chain, and the hash of all up to it; made at commit."""

    __tablename__ = "audit_chain"
    __table_args__ = (UniqueConstraint("event_id"),)

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("audit_events.id", ondelete="CASCADE")
    )
    hash: Mapped[bytes]


class AuditHead(Base):
    """The end of the chain."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("is_only", name="one_row"),)

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    position: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes]


class Installation(Base):
    """What all processes of an installation agree on: one row."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id", name="is_one"),)

    id: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    has_opaque_names: Mapped[bool] = mapped_column(server_default=text("false"))
    """Names of schemas and roles made from now on do not tell whose they are."""


class ServiceLogin(Base):
    """A login that control made for a part of itself, as Meltano's to its own schema."""

    __tablename__ = "service_logins"

    role: Mapped[str] = mapped_column(primary_key=True)
    secrets: Mapped[bytes]
    """Ciphertext."""


class Lock(Base):
    """A lock, and the session of Postgres that holds it; over when the session is."""

    __tablename__ = "locks"

    name: Mapped[str] = mapped_column(primary_key=True)
    pid: Mapped[int]
    backend_start: Mapped[datetime]
    role: Mapped[str]


class Touch(Base):
    """A dataset that a reader said it uses; soon moved to the dataset itself."""

    __tablename__ = "touches"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    schema_name: Mapped[str]
    touched_at: Mapped[datetime] = mapped_column(server_default=func.now())
