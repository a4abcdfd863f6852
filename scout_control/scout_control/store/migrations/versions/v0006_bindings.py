"""Binds secrets to their purpose, records consent of users, removes owner ids from comments.

Secrets are bound here only, in the transaction of this migration. An unbound secret found later was
inserted by a program without the keys, and is rejected.
"""

from __future__ import annotations

from alembic import context, op

from scout_control.errors import SettingsError

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    "ALTER TABLE scout_control.datasets ADD COLUMN agreed_at timestamptz",
    "ALTER TABLE scout_control.datasets ADD COLUMN agreed_by text",
    # Until now users consented by creating the dataset.
    "UPDATE scout_control.datasets SET agreed_at = created_at, agreed_by = 'upgrade'"
    " WHERE user_id IS NOT NULL",
    "UPDATE scout_control.datasets"
    " SET owner = 'scout ' || encode(sha256(convert_to(owner, 'UTF8')), 'hex')",
    """CREATE TABLE scout_control.installation (
        id boolean DEFAULT true NOT NULL,
        has_opaque_names boolean DEFAULT false NOT NULL,
        CONSTRAINT installation_pkey PRIMARY KEY (id),
        CONSTRAINT installation_is_one CHECK (id)
    )""",
    "INSERT INTO scout_control.installation DEFAULT VALUES",
)
HAS_SECRETS = """
    SELECT EXISTS (SELECT FROM scout_control.credentials)
        OR EXISTS (SELECT FROM scout_control.service_logins)
        OR EXISTS (SELECT FROM scout_control.connections WHERE login IS NOT NULL)
        OR EXISTS (SELECT FROM scout_control.sources WHERE oauth_client_secret IS NOT NULL)
"""


def upgrade() -> None:
    """Bind all secrets, and add the columns for consent."""
    for statement in STATEMENTS:
        op.execute(statement)
    connection = op.get_bind()
    if not connection.exec_driver_sql(HAS_SECRETS).scalar():
        return
    bind = context.config.attributes.get("bind")
    if bind is None:
        raise SettingsError("The store holds secrets of an older version.", "Run: scout init")
    bind(connection)
