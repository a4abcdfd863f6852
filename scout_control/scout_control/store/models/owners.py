"""Databases, projects, sources, and the credentials of their owners.

NULL defeats an ordinary unique constraint, hence the pairs of partial indexes.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from scout_control.store.models.base import ONE_OWNER, Base, Identified


class Connection(Identified, Base):
    """A database for dataset schemas; without a host it is the store's own."""

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
    """Ciphertext of role and password."""
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_by: Mapped[str | None]


class Project(Base):
    """A group that shares data; the id is chosen by the caller."""

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
    """A configured source: an extractor and its settings."""

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
    """The link of a source to a project: whose credential is used, how often, for which data."""

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
    """The credential of one owner at one source."""

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
