"""A function by which readers report that they use a dataset."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

TOUCH = """
CREATE FUNCTION scout_control.touch(dataset_schema text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_roles
         WHERE rolname = dataset_schema || '_ro' AND pg_has_role(session_user, oid, 'MEMBER')
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = 'This dataset is not yours to read.';
    END IF;
    UPDATE scout_control.datasets
       SET last_activity_at = now()
     WHERE schema_name = dataset_schema AND status <> 'expired'
       AND last_activity_at < now() - interval '10 seconds';
    RETURN EXISTS (
        SELECT FROM scout_control.datasets
         WHERE schema_name = dataset_schema AND status <> 'expired'
    );
END
$$
"""


def upgrade() -> None:
    """Create the function; EXECUTE is granted with each dataset."""
    op.execute(TOUCH)
    op.execute("REVOKE ALL ON FUNCTION scout_control.touch(text) FROM PUBLIC")
