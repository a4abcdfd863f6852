"""Migrations from nothing and from every older version to the newest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from scout_control.errors import SettingsError
from scout_control.store import migrate, queue_schema
from scout_control.store.database import Store
from scout_control.store.models import SCHEMA, VERSION, Base, Connection
from sqlalchemy import text

CONNECTION = "INSERT INTO scout_control.connections (name) VALUES ('kept')"


@pytest.mark.parametrize("revision", migrate.versions())
def test_every_older_version_becomes_the_newest_and_keeps_its_rows(empty_store, revision):
    migrate.migrate(empty_store, revision)
    with empty_store.engine.begin() as connection:
        connection.execute(text(CONNECTION))

    assert migrate.migrate(empty_store) == migrate.newest() == VERSION
    with empty_store.begin() as session:
        assert session.query(Connection).one().name == "kept"


@pytest.mark.parametrize("revision", migrate.versions()[:-1])
def test_an_outdated_store_is_not_used_before_its_migration(empty_store, revision):
    migrate.migrate(empty_store, revision)

    with pytest.raises(SettingsError, match="outdated"), empty_store.begin():
        pass


def test_concurrent_migrations_run_once(empty_store):
    others = [Store(empty_store.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        reached = list(pool.map(migrate.migrate, others))
    for other in others:
        other.close()

    assert reached == [migrate.newest()] * 4


def test_migrations_create_exactly_the_tables_of_the_models(store):
    with store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "version_table_schema": SCHEMA,
                "include_name": _is_ours,
                "compare_server_default": False,
            },
        )

        assert compare_metadata(context, Base.metadata) == []


def test_the_queue_applies_only_the_scripts_after_its_version(store):
    with store.engine.begin() as connection:
        queue_schema.upgrade(connection)
        found = connection.scalar(text("SELECT version FROM scout_control.queue_version"))
    names = [path.name for path in queue_schema.scripts_after("3.3.0")]

    assert queue_schema.scripts_after(found) == []
    assert names[0].startswith("03.04.00")
    assert names == sorted(names)


def test_a_missing_store_names_the_command_that_creates_it(empty_store):
    with pytest.raises(SettingsError, match="scout init"), empty_store.begin() as session:
        session.query(Connection).all()

    assert migrate.version(empty_store) is None


def _is_ours(name, kind, _parents):
    if kind == "schema":
        return name == SCHEMA
    return not (kind == "table" and (name.startswith("procrastinate") or name == "queue_version"))


def test_a_store_of_a_newer_release_is_unchanged(empty_store):
    migrate.migrate(empty_store)
    with empty_store.engine.begin() as connection:
        connection.execute(text("UPDATE scout_control.alembic_version SET version_num = '9999'"))

    with pytest.raises(SettingsError, match="a newer release"):
        migrate.migrate(empty_store)
    with pytest.raises(SettingsError, match="a newer release"), empty_store.begin():
        pass
    assert migrate.version(empty_store) == "9999"
