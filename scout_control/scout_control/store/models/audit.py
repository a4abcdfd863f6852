"""The audit trail: events, erasable values, and the chain that the database maintains."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import BigInteger

from scout_control.store.models.base import Base


class AuditEvent(Base):
    """What happened, and when; never a secret. Actor and subject are in ``values``.

    Triggers reject changes and deletions, and append each row to the chain (``AuditLink``).
    """

    __tablename__ = "audit_events"
    __table_args__ = (Index("audit_events_of_action", "action", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"), index=True)
    action: Mapped[str]
    subject_kind: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """What retention and erasure removed from the trail; no personal data."""
    digests: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Salted digests of ``values`` by name: the chain stays valid when a value is erased."""

    values: Mapped[list[AuditValue]] = relationship(
        cascade="save-update", passive_deletes="all", lazy="raise"
    )


class AuditValue(Base):
    """One personal or owner-related value of an event: erasable, but any change is detected."""

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
    """The position of an event in the chain and the hash up to it; written at commit."""

    __tablename__ = "audit_chain"
    __table_args__ = (UniqueConstraint("event_id"),)

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("audit_events.id", ondelete="CASCADE")
    )
    hash: Mapped[bytes]


class AuditHead(Base):
    """The last position and hash of the chain."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("is_only", name="one_row"),)

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    position: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes]
