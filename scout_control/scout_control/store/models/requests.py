"""Requests of people through other surfaces than the shell: queries, and keys of requests."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from scout_control.store.models.base import Base
from scout_control.store.models.datasets import Dataset


class Query(Base):
    """A query of a person on a dataset; never its rows."""

    __tablename__ = "queries"
    __table_args__ = (
        Index("queries_of_person", "person_id", text("at DESC"), text("id DESC")),
        Index("queries_latest", text("at DESC"), text("id DESC")),
        Index("queries_of_dataset", "dataset_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, default=uuid.uuid4, server_default=text("gen_random_uuid()")
    )
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    milliseconds: Mapped[int]
    row_count: Mapped[int | None]
    """None if it failed."""
    is_truncated: Mapped[bool] = mapped_column(server_default=text("false"))
    error_code: Mapped[str | None]
    letters: Mapped[int]
    """The length of its text."""
    statement: Mapped[str | None]
    """Its text, which may hold values of rows: only if the installation keeps it."""

    dataset: Mapped[Dataset] = relationship(lazy="joined")


class IdempotencyKey(Base):
    """A key that a person gave with a request, and the run that it led to."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="digest_is_sha256"),
        Index("idempotency_keys_made", "created_at"),
    )

    person_id: Mapped[str] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    """SHA-256 of the request: the same key with another request is a mistake."""
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
