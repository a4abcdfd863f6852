"""Adds the history of queries, and the keys by which a repeated request is recognised."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"

TABLES = ("queries", "idempotency_keys")
# Statistics of columns outlive the rows, and would show the values of a purged person.
PERSONAL = {"queries": ("person_id", "statement"), "idempotency_keys": ("person_id", "key")}
STATEMENTS = (
    """CREATE TABLE scout_control.queries (
        id uuid NOT NULL DEFAULT gen_random_uuid(), person_id text NOT NULL,
        dataset_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT now(),
        milliseconds integer NOT NULL, row_count integer,
        is_truncated boolean NOT NULL DEFAULT false, error_code text,
        letters integer NOT NULL, statement text,
        CONSTRAINT queries_pkey PRIMARY KEY (id),
        CONSTRAINT queries_person_id_fkey FOREIGN KEY (person_id)
            REFERENCES scout_control.people (id) ON DELETE CASCADE,
        CONSTRAINT queries_dataset_id_fkey FOREIGN KEY (dataset_id)
            REFERENCES scout_control.datasets (id) ON DELETE CASCADE
    )""",
    "CREATE INDEX queries_of_person ON scout_control.queries (person_id, at DESC, id DESC)",
    "CREATE INDEX queries_latest ON scout_control.queries (at DESC, id DESC)",
    "CREATE INDEX queries_of_dataset ON scout_control.queries (dataset_id)",
    """CREATE TABLE scout_control.idempotency_keys (
        person_id text NOT NULL, key text NOT NULL, digest bytea NOT NULL, run_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT idempotency_keys_pkey PRIMARY KEY (person_id, key),
        CONSTRAINT idempotency_keys_person_id_fkey FOREIGN KEY (person_id)
            REFERENCES scout_control.people (id) ON DELETE CASCADE,
        CONSTRAINT idempotency_keys_run_id_fkey FOREIGN KEY (run_id)
            REFERENCES scout_control.runs (id) ON DELETE CASCADE,
        CONSTRAINT idempotency_keys_digest_is_sha256 CHECK (octet_length(digest) = 32)
    )""",
    "CREATE INDEX idempotency_keys_run_id_idx ON scout_control.idempotency_keys (run_id)",
    "CREATE INDEX idempotency_keys_made ON scout_control.idempotency_keys (created_at)",
    *(f"REVOKE ALL ON scout_control.{table} FROM PUBLIC" for table in TABLES),
    *(
        f"ALTER TABLE scout_control.{table} ALTER COLUMN {column} SET STATISTICS 0"
        for table, columns in PERSONAL.items()
        for column in columns
    ),
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
