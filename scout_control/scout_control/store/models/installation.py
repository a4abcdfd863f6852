"""Data that all processes of an installation share: settings, service roles, locks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from scout_control.store.models.base import Base


class Installation(Base):
    """Settings shared by all processes of an installation: a single row."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id", name="is_one"),)

    id: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    has_opaque_names: Mapped[bool] = mapped_column(server_default=text("false"))
    """New names of schemas and roles do not reveal their owner."""
    keep_hours: Mapped[float | None]
    """How long unused data is kept, unless its dataset says otherwise; null: 24 hours."""


class ServiceLogin(Base):
    """A login role that earlier versions created for their own use, such as Meltano's."""

    __tablename__ = "service_logins"

    role: Mapped[str] = mapped_column(primary_key=True)
    secrets: Mapped[bytes]
    """Ciphertext."""


class Lock(Base):
    """A lock and the Postgres session that holds it; it ends with the session."""

    __tablename__ = "locks"

    name: Mapped[str] = mapped_column(primary_key=True)
    pid: Mapped[int]
    backend_start: Mapped[datetime]
    role: Mapped[str]
