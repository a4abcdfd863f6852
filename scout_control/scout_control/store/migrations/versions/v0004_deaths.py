"""Counts how often the worker of a run died; pauses and requeues do not count."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column."""
    op.execute("ALTER TABLE scout_control.runs ADD COLUMN deaths integer NOT NULL DEFAULT 0")
