"""An audit trail that is append-only, and whose gaps show.

A row of ``audit_events`` says when, what and of which kind. Who and whose is in ``audit_values``,
of which the event keeps salted digests only: such values can be erased, and the chain still holds.
``audit_chain`` gives each event its position and hash when its transaction commits.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Turn the table of events into the beginning of the chain."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
