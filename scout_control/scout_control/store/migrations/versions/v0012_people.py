"""Adds people who sign in, the projects they are members of, and their tokens."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"

TABLES = ("people", "members", "tokens")
# Statistics of columns outlive the rows, and would show the values of a purged person.
PERSONAL = {
    "people": ("id", "name", "email", "issuer", "subject", "created_by"),
    "members": ("person_id", "created_by"),
    "tokens": ("person_id", "name", "created_by"),
}
STATEMENTS = (
    """CREATE TABLE scout_control.people (
        id text NOT NULL, name text NOT NULL, email text, issuer text, subject text,
        roles text[] NOT NULL DEFAULT '{}', is_active boolean NOT NULL DEFAULT true,
        created_by text, created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT people_pkey PRIMARY KEY (id),
        CONSTRAINT people_issuer_subject_key UNIQUE (issuer, subject),
        CONSTRAINT people_id_is_not_empty CHECK (id <> ''),
        CONSTRAINT people_roles_are_known
            CHECK (roles <@ ARRAY['operator', 'manage_database_connections']),
        CONSTRAINT people_subject_of_an_issuer CHECK ((issuer IS NULL) = (subject IS NULL))
    )""",
    "CREATE UNIQUE INDEX people_email ON scout_control.people (lower(email))"
    " WHERE email IS NOT NULL",
    """CREATE TABLE scout_control.members (
        project_id text NOT NULL, person_id text NOT NULL, role text NOT NULL DEFAULT 'member',
        created_by text, created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT members_pkey PRIMARY KEY (project_id, person_id),
        CONSTRAINT members_project_id_fkey FOREIGN KEY (project_id)
            REFERENCES scout_control.projects (id) ON DELETE CASCADE,
        CONSTRAINT members_person_id_fkey FOREIGN KEY (person_id)
            REFERENCES scout_control.people (id) ON DELETE CASCADE,
        CONSTRAINT members_role_is_known CHECK (role IN ('admin', 'member'))
    )""",
    "CREATE INDEX members_person_id_idx ON scout_control.members (person_id)",
    """CREATE TABLE scout_control.tokens (
        id uuid NOT NULL DEFAULT gen_random_uuid(), person_id text NOT NULL,
        name text NOT NULL DEFAULT '', hash bytea NOT NULL, scope text NOT NULL DEFAULT 'write',
        expires_at timestamptz, last_used_at timestamptz, revoked_at timestamptz, created_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT tokens_pkey PRIMARY KEY (id),
        CONSTRAINT tokens_hash_key UNIQUE (hash),
        CONSTRAINT tokens_person_id_fkey FOREIGN KEY (person_id)
            REFERENCES scout_control.people (id) ON DELETE CASCADE,
        CONSTRAINT tokens_hash_is_sha256 CHECK (octet_length(hash) = 32),
        CONSTRAINT tokens_scope_is_known CHECK (scope IN ('read', 'write'))
    )""",
    "CREATE INDEX tokens_person_id_idx ON scout_control.tokens (person_id)",
    *(f"REVOKE ALL ON scout_control.{table} FROM PUBLIC" for table in TABLES),
    *(
        f"ALTER TABLE scout_control.{table} ALTER COLUMN {column} SET STATISTICS 0"
        for table, columns in PERSONAL.items()
        for column in columns
    ),
    # An index on an expression has statistics, too.
    "ALTER INDEX scout_control.people_email ALTER COLUMN 1 SET STATISTICS 0",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
