"""Run by Alembic: applies the missing migrations on the connection of ``store.migrate``."""

from __future__ import annotations

from alembic import context

from scout_control.store.models import SCHEMA, Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()
