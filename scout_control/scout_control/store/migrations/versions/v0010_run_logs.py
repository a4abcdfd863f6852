"""Keeps the log of each run, and what a running run does."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS = (
    "ALTER TABLE scout_control.runs ADD COLUMN activity jsonb NOT NULL DEFAULT '{}'::jsonb",
    """CREATE TABLE scout_control.run_logs (
        run_id uuid NOT NULL, attempt integer NOT NULL, chunk integer NOT NULL,
        written_at timestamptz NOT NULL DEFAULT now(), lines bytea NOT NULL,
        CONSTRAINT run_logs_pkey PRIMARY KEY (run_id, attempt, chunk),
        CONSTRAINT run_logs_run_id_fkey FOREIGN KEY (run_id)
            REFERENCES scout_control.runs (id) ON DELETE CASCADE
    )""",
    "CREATE INDEX run_logs_written ON scout_control.run_logs (written_at)",
    # The lines are compressed already.
    "ALTER TABLE scout_control.run_logs ALTER COLUMN lines SET STORAGE EXTERNAL",
    "REVOKE ALL ON scout_control.run_logs FROM PUBLIC",
)


def upgrade() -> None:
    """Add the column and the table."""
    for statement in STATEMENTS:
        op.execute(statement)
