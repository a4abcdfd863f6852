"""The logins with which people read datasets in the database itself."""

from __future__ import annotations

import uuid

from sqlalchemy import ForeignKey, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.orm import Mapped, mapped_column, relationship

from scout_control.store.models.base import Base, Identified
from scout_control.store.models.datasets import Dataset


class ReaderLogin(Identified, Base):
    """A role of the database with which one person reads one dataset.

    Without a person it has ended, and its role is still to be dropped: a row must outlive the
    person, since the server may not answer when their access ends.
    """

    __tablename__ = "reader_logins"
    __table_args__ = (UniqueConstraint("dataset_id", "person_id"), UniqueConstraint("role"))

    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    person_id: Mapped[str | None] = mapped_column(
        ForeignKey("people.id", ondelete="SET NULL"), index=True
    )
    role: Mapped[str]
    password: Mapped[bytes | None]
    """Ciphertext."""
    token_ids: Mapped[list[uuid.UUID]] = mapped_column(
        ARRAY(UUID(as_uuid=True)), server_default=text("'{}'")
    )
    """The tokens with which the password was requested: it ends with any of them."""

    dataset: Mapped[Dataset] = relationship(lazy="joined")
