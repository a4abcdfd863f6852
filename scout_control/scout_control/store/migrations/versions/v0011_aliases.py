"""Adds the alias schema of a dataset, and the password of its login for people's tools."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"

STATEMENTS = (
    "ALTER TABLE scout_control.datasets ADD COLUMN alias text",
    "ALTER TABLE scout_control.datasets ADD COLUMN reader_login bytea",
    "ALTER TABLE scout_control.datasets ADD CONSTRAINT datasets_alias_key UNIQUE (alias)",
)


def upgrade() -> None:
    """Add the columns."""
    for statement in STATEMENTS:
        op.execute(statement)
