"""Locks that only control can acquire, and a ``touch`` function that retains no locks.

A reader may call ``touch`` in a transaction that it never ends. So the function reads in a
subtransaction that is rolled back, which releases its locks, and writes to a table that no other
statement waits for; control merges that table into the datasets.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
CREATE TABLE scout_control.locks (
    name text PRIMARY KEY, pid integer NOT NULL, backend_start timestamptz NOT NULL,
    role text NOT NULL
);
CREATE TABLE scout_control.touches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, schema_name text NOT NULL,
    touched_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON scout_control.locks, scout_control.touches FROM PUBLIC;
"""
TOUCH = """
CREATE OR REPLACE FUNCTION scout_control.touch(dataset_schema text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_there boolean;
    is_known boolean;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_roles
         WHERE rolname = dataset_schema || '_ro' AND pg_has_role(session_user, oid, 'MEMBER')
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = 'This dataset is not yours to read.';
    END IF;
    BEGIN
        SELECT true,
               last_activity_at >= clock_timestamp() - interval '10 seconds'
               OR EXISTS (
                   SELECT FROM scout_control.touches
                    WHERE schema_name = dataset_schema
                      AND touched_at >= clock_timestamp() - interval '10 seconds'
               )
          INTO is_there, is_known
          FROM scout_control.datasets
         WHERE schema_name = dataset_schema AND status <> 'expired';
        RAISE SQLSTATE 'SC000';
    EXCEPTION WHEN SQLSTATE 'SC000' THEN
        NULL;  -- the locks that looking took are given back
    END;
    IF is_there AND NOT is_known THEN
        INSERT INTO scout_control.touches (schema_name, touched_at)
        VALUES (dataset_schema, clock_timestamp());
    END IF;
    RETURN coalesce(is_there, false);
END
$$
"""


def upgrade() -> None:
    """Create the tables and replace the function, which keeps its privileges."""
    op.execute(TABLES)
    op.execute(TOUCH)
