"""A separate store for each test."""

from __future__ import annotations

import uuid

import pytest
from scout_control.installation import embedded_postgres
from scout_control.store import migrate
from scout_control.store.database import Store


@pytest.fixture
def empty_store(control_postgres):
    """A store in a new database, before its first migration."""
    name = f"store_{uuid.uuid4().hex[:12]}"
    store = Store(embedded_postgres.create_database(control_postgres, name))
    yield store
    store.close()


@pytest.fixture
def store(empty_store):
    """A store at the newest version."""
    migrate.migrate(empty_store)
    return empty_store
