"""How long unused data is kept, by dataset and by default; in hours, ``Infinity`` for ever."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add both columns; null means the default."""
    for table in ("datasets", "installation"):
        op.execute(
            f"ALTER TABLE scout_control.{table} ADD COLUMN keep_hours double precision"
            " CONSTRAINT keep_is_positive CHECK (keep_hours > 0)"
        )
