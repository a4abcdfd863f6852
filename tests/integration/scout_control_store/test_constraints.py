"""Constraints that the database enforces for all clients."""

from __future__ import annotations

import psycopg2
import pytest
from scout_control.errors import ConflictError, SettingsError
from scout_control.store.models import (
    Connection,
    Credential,
    Dataset,
    Project,
    ProjectSource,
    Run,
    Source,
)
from sqlalchemy import delete
from support.logins import with_login


@pytest.fixture
def link(store):
    """A project with a linked source."""
    with store.begin() as session:
        connection = Connection(name="default")
        project = Project(id="river", name="River", connection=connection)
        source = Source(name="hq", source_type="tap-commcare")
        link = ProjectSource(project=project, source=source)
        session.add(link)
    return link


def dataset(link, **columns):
    name = columns.pop("schema_name", "data_river")
    return Dataset(project_source_id=link.id, schema_name=name, owner="river", **columns)


def credential(link, **owner):
    return Credential(source_id=link.source_id, kind="api_key", secrets=b"", **owner)


@pytest.mark.parametrize("owner", [{}, {"project_id": "river", "user_id": "ann"}])
def test_a_credential_has_exactly_one_owner(store, link, owner):
    with pytest.raises(SettingsError, match="project_xor_user"), store.begin() as session:
        session.add(credential(link, **owner))


@pytest.mark.parametrize("owner", [{"project_id": "river"}, {"user_id": "ann"}])
def test_an_owner_has_one_credential_for_a_source(store, link, owner):
    with store.begin() as session:
        session.add(credential(link, **owner))

    again = pytest.raises(ConflictError, match="This credential already exists")
    with again, store.begin() as session:
        session.add(credential(link, **owner))


@pytest.mark.parametrize("owner", [{}, {"user_id": "ann"}])
def test_an_owner_has_one_dataset_of_a_source(store, link, owner):
    with store.begin() as session:
        session.add(dataset(link, **owner))

    with pytest.raises(ConflictError), store.begin() as session:
        session.add(dataset(link, schema_name="data_other", **owner))


def test_a_dataset_schema_belongs_to_one_dataset(store, link):
    with pytest.raises(ConflictError), store.begin() as session:
        session.add_all([dataset(link), dataset(link, user_id="ann")])


def test_a_dataset_never_has_two_live_runs(store, link):
    with store.begin() as session:
        made = dataset(link)
        session.add(made)
        session.flush()
        session.add_all(
            [Run(dataset_id=made.id, status="failed"), Run(dataset_id=made.id, status="queued")]
        )

    with pytest.raises(ConflictError), store.begin() as session:
        session.add(Run(dataset_id=made.id, status="running"))


@pytest.mark.parametrize("table", [Connection, Project, Source])
def test_what_is_in_use_cannot_be_removed(store, link, table):
    with (
        pytest.raises(ConflictError, match=r"used by a (project|link)"),
        store.begin() as session,
    ):
        session.execute(delete(table))


def test_a_paused_run_knows_until_when(store, link):
    with store.begin() as session:
        made = dataset(link)
        session.add(made)

    with pytest.raises(SettingsError), store.begin() as session:
        session.add(Run(dataset_id=made.id, status="paused"))


def test_the_store_is_closed_to_other_roles(store, link):
    with store.begin() as session:
        session.connection().exec_driver_sql("DROP ROLE IF EXISTS stranger_of_store")
        session.connection().exec_driver_sql("CREATE ROLE stranger_of_store LOGIN PASSWORD 'known'")
    stranger = psycopg2.connect(with_login(store.url, "stranger_of_store", "known"))
    try:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege), stranger.cursor() as cursor:
            cursor.execute("SELECT 1 FROM scout_control.sources")
    finally:
        stranger.close()
