"""The tables of sign-ins: sessions of browsers, links that begin one, and authorizations."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from scout_control.store.models.base import Base, Identified


class BrowserSession(Identified, Base):
    """A browser in which a person is signed in; only the hash of its secret is stored."""

    __tablename__ = "sessions"
    __table_args__ = (
        UniqueConstraint("hash"),
        CheckConstraint("octet_length(hash) = 32", name="hash_is_sha256"),
        CheckConstraint("scope IN ('read', 'write', 'full')", name="scope_is_known"),
        CheckConstraint("method IN ('token', 'link', 'openid')", name="method_is_known"),
        CheckConstraint("(method = 'token') = (token_id IS NOT NULL)", name="token_of_its_method"),
    )

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    hash: Mapped[bytes]
    """SHA-256 of the value of the cookie, which is 256 random bits."""
    method: Mapped[str]
    scope: Mapped[str]
    token_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("tokens.id", ondelete="CASCADE"), index=True
    )
    """The token that began it: the session reaches no further, and ends with it."""
    last_used_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class SignInLink(Identified, Base):
    """A link that begins a session of a person, once; only its hash is stored."""

    __tablename__ = "sign_in_links"
    __table_args__ = (
        UniqueConstraint("hash"),
        CheckConstraint("octet_length(hash) = 32", name="hash_is_sha256"),
    )

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    hash: Mapped[bytes]
    expires_at: Mapped[datetime]
    created_by: Mapped[str | None]


class Authorization(Base):
    """An authorization in progress, at a source or at the provider of the sign-in."""

    __tablename__ = "authorizations"
    __table_args__ = (
        CheckConstraint("octet_length(state_hash) = 32", name="state_is_hashed"),
        CheckConstraint("octet_length(browser_hash) = 32", name="browser_is_hashed"),
    )

    state_hash: Mapped[bytes] = mapped_column(primary_key=True)
    """SHA-256 of the state, which comes back with the browser."""
    browser_hash: Mapped[bytes] = mapped_column(index=True)
    """SHA-256 of what the browser that began it holds, and no other can send."""
    person_id: Mapped[str | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    secrets: Mapped[bytes]
    """What it was begun with, as a ciphertext."""
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
