"""The tables of the installed Procrastinate, and a record of its version."""

from __future__ import annotations

from alembic import op

from scout_control.store import queue_schema

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the queue's tables in the store's schema."""
    op.execute("CREATE TABLE scout_control.queue_version (version text NOT NULL)")
    queue_schema.create(op.get_bind())
