"""Adds the key under which a dataset's loader hashes columns, as ciphertext."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column."""
    op.execute("ALTER TABLE scout_control.datasets ADD COLUMN hash_key bytea")
