"""Adds the logins with which people read datasets in the database itself."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS = (
    """CREATE TABLE scout_control.reader_logins (
        id uuid NOT NULL DEFAULT gen_random_uuid(), dataset_id uuid NOT NULL, person_id text,
        role text NOT NULL, password bytea, token_ids uuid[] NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT reader_logins_pkey PRIMARY KEY (id),
        CONSTRAINT reader_logins_dataset_id_person_id_key UNIQUE (dataset_id, person_id),
        CONSTRAINT reader_logins_role_key UNIQUE (role),
        CONSTRAINT reader_logins_dataset_id_fkey FOREIGN KEY (dataset_id)
            REFERENCES scout_control.datasets (id) ON DELETE CASCADE,
        CONSTRAINT reader_logins_person_id_fkey FOREIGN KEY (person_id)
            REFERENCES scout_control.people (id) ON DELETE SET NULL
    )""",
    "CREATE INDEX reader_logins_person_id_idx ON scout_control.reader_logins (person_id)",
    "REVOKE ALL ON scout_control.reader_logins FROM PUBLIC",
    # Statistics of columns outlive the rows, and would show the ids of a purged person.
    "ALTER TABLE scout_control.reader_logins ALTER COLUMN person_id SET STATISTICS 0",
)


def upgrade() -> None:
    """Create the table."""
    for statement in STATEMENTS:
        op.execute(statement)
