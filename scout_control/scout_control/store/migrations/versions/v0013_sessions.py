"""Adds sessions of browsers, links that begin one, and authorizations in progress."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"

TABLES = ("sessions", "sign_in_links", "authorizations")
# Statistics of columns outlive the rows, and would show the ids of a purged person.
PERSONAL = {
    "sessions": ("person_id",),
    "sign_in_links": ("person_id", "created_by"),
    "authorizations": ("person_id",),
}
STATEMENTS = (
    """CREATE TABLE scout_control.sessions (
        id uuid NOT NULL DEFAULT gen_random_uuid(), person_id text NOT NULL, hash bytea NOT NULL,
        method text NOT NULL, scope text NOT NULL, token_id uuid,
        last_used_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT sessions_pkey PRIMARY KEY (id),
        CONSTRAINT sessions_hash_key UNIQUE (hash),
        CONSTRAINT sessions_person_id_fkey FOREIGN KEY (person_id)
            REFERENCES scout_control.people (id) ON DELETE CASCADE,
        CONSTRAINT sessions_token_id_fkey FOREIGN KEY (token_id)
            REFERENCES scout_control.tokens (id) ON DELETE CASCADE,
        CONSTRAINT sessions_hash_is_sha256 CHECK (octet_length(hash) = 32),
        CONSTRAINT sessions_scope_is_known CHECK (scope IN ('read', 'write', 'full')),
        CONSTRAINT sessions_method_is_known CHECK (method IN ('token', 'link', 'openid')),
        CONSTRAINT sessions_token_of_its_method
            CHECK ((method = 'token') = (token_id IS NOT NULL))
    )""",
    "CREATE INDEX sessions_person_id_idx ON scout_control.sessions (person_id)",
    "CREATE INDEX sessions_token_id_idx ON scout_control.sessions (token_id)",
    """CREATE TABLE scout_control.sign_in_links (
        id uuid NOT NULL DEFAULT gen_random_uuid(), person_id text NOT NULL, hash bytea NOT NULL,
        expires_at timestamptz NOT NULL, created_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT sign_in_links_pkey PRIMARY KEY (id),
        CONSTRAINT sign_in_links_hash_key UNIQUE (hash),
        CONSTRAINT sign_in_links_person_id_fkey FOREIGN KEY (person_id)
            REFERENCES scout_control.people (id) ON DELETE CASCADE,
        CONSTRAINT sign_in_links_hash_is_sha256 CHECK (octet_length(hash) = 32)
    )""",
    "CREATE INDEX sign_in_links_person_id_idx ON scout_control.sign_in_links (person_id)",
    """CREATE TABLE scout_control.authorizations (
        state_hash bytea NOT NULL, browser_hash bytea NOT NULL, person_id text,
        secrets bytea NOT NULL, expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT authorizations_pkey PRIMARY KEY (state_hash),
        CONSTRAINT authorizations_person_id_fkey FOREIGN KEY (person_id)
            REFERENCES scout_control.people (id) ON DELETE CASCADE,
        CONSTRAINT authorizations_state_is_hashed CHECK (octet_length(state_hash) = 32),
        CONSTRAINT authorizations_browser_is_hashed CHECK (octet_length(browser_hash) = 32)
    )""",
    "CREATE INDEX authorizations_browser_hash_idx ON scout_control.authorizations (browser_hash)",
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
