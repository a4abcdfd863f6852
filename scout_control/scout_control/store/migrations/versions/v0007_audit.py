"""An append-only audit trail that reveals gaps.

A row of ``audit_events`` holds time, action and kind. Personal values are in ``audit_values``, of
which the event holds salted digests only, so that they can be erased without breaking the chain.
``audit_chain`` assigns each event its position and hash when its transaction commits.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Convert the existing events into the start of the chain."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
