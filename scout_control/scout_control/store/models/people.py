"""People who sign in: their roles, the projects they are members of, and their tokens.

The id of a person is the user id of their datasets and credentials, so that one person is one
identity everywhere. It is no foreign key there: programs that embed Scout have users who never sign
in here, and a purge removes data and person in separate steps.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from scout_control.store.models.base import Base, Identified


class Person(Base):
    """Someone who signs in."""

    __tablename__ = "people"
    __table_args__ = (
        CheckConstraint("id <> ''", name="id_is_not_empty"),
        CheckConstraint(
            "roles <@ ARRAY['operator', 'manage_database_connections']", name="roles_are_known"
        ),
        CheckConstraint("(issuer IS NULL) = (subject IS NULL)", name="subject_of_an_issuer"),
        UniqueConstraint("issuer", "subject"),
        Index(
            "people_email",
            text("lower(email)"),
            unique=True,
            postgresql_where=text("email IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None]
    issuer: Mapped[str | None]
    """The URL of the OpenID Connect provider that signs this person in."""
    subject: Mapped[str | None]
    """What the provider calls them; unlike an e-mail address, it is never given to another."""
    roles: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    """What they may do in the whole installation."""
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class Member(Base):
    """What a person is in a project."""

    __tablename__ = "members"
    __table_args__ = (CheckConstraint("role IN ('admin', 'member')", name="role_is_known"),)

    project_id: Mapped[str] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True
    )
    person_id: Mapped[str] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(server_default="member")
    created_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Token(Identified, Base):
    """A token with which programs act for a person; only its hash is stored."""

    __tablename__ = "tokens"
    __table_args__ = (
        UniqueConstraint("hash"),
        CheckConstraint("octet_length(hash) = 32", name="hash_is_sha256"),
        CheckConstraint("scope IN ('read', 'write')", name="scope_is_known"),
    )

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(server_default="")
    hash: Mapped[bytes]
    """SHA-256 of the token, which is 256 random bits."""
    scope: Mapped[str] = mapped_column(server_default="write")
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_by: Mapped[str | None]
