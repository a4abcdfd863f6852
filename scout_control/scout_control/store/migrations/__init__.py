"""Alembic's folder: one file a version, applied in one transaction by ``store.migrate``."""
