"""Provisioning in a real Postgres: owners, writers and readers of dataset schemas."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager

import psycopg2
import pytest
from psycopg2 import sql
from scout_control.datasets.provision import provision
from scout_control.datasets.sharing import set_readers
from scout_control.errors import NotFoundError, OwnershipError, ServerError
from scout_control.rules.naming import DatasetIdentity, OwnerKind
from support.logins import with_login

HOSTILE = ['"; DROP SCHEMA public CASCADE; --', "a'b\"c\\d%s{}", "नदी 🌊", "pg_catalog", "x" * 5000]


def a_dataset(owner_id="p1", **changes) -> DatasetIdentity:
    usual = {"owner_kind": OwnerKind.PROJECT, "project_id": "p1", "source_id": "s1"}
    return DatasetIdentity(owner_id=owner_id, source_type="commcare", **usual | changes)


@pytest.fixture
def provisioned(postgres, cleaned):
    return cleaned(provision(postgres, a_dataset()))


@pytest.fixture
def cleaned(connection):
    """Drop the schemas and roles that were registered here."""
    schemas = []

    def remember(provisioned):
        schemas.append(provisioned)
        return provisioned

    yield remember
    with connection.cursor() as cursor:
        for provisioned in {provisioned.schema: provisioned for provisioned in schemas}.values():
            cursor.execute(
                sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(provisioned.schema))
            )
            for role in (provisioned.reader, provisioned.writer):
                cursor.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
                cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@contextmanager
def as_writer(postgres, provisioned):
    with closing(psycopg2.connect(provisioned.url(postgres))) as opened:
        opened.autocommit = True
        yield opened.cursor()


@pytest.fixture
def reader(connection, provisioned):
    """A cursor of a role that has been granted read access and nothing else."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE analyst_here LOGIN")
        yield cursor
        cursor.execute("RESET ROLE")
        cursor.execute("DROP ROLE analyst_here")


@pytest.mark.parametrize("owner_id", HOSTILE)
def test_hostile_ids_get_a_schema_and_harm_nothing(postgres, connection, cleaned, owner_id):
    provisioned = cleaned(provision(postgres, a_dataset(owner_id)))

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT obj_description(%s::regnamespace, 'pg_namespace')", [provisioned.schema]
        )
        assert cursor.fetchone()[0] == provisioned.owner
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'public'")
        assert cursor.fetchone()[0] == 1
    with as_writer(postgres, provisioned) as cursor:
        cursor.execute("CREATE TABLE cases (case_id text)")
        cursor.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'cases'")
        assert (provisioned.schema,) in cursor.fetchall()


def test_a_schema_can_be_provisioned_again_and_keeps_its_data(postgres, provisioned):
    with as_writer(postgres, provisioned) as cursor:
        cursor.execute("CREATE TABLE cases AS SELECT 1 AS case_id")

    again = provision(postgres, a_dataset())

    assert again.schema == provisioned.schema
    with as_writer(postgres, again) as cursor:
        cursor.execute("SELECT count(*) FROM cases")
        assert cursor.fetchone() == (1,)


def test_concurrent_calls_provision_one_schema(postgres, cleaned):
    made, failed = [], []

    def make():
        try:
            made.append(provision(postgres, a_dataset("crowd")))
        except ServerError as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failed
    assert len({cleaned(provisioned).schema for provisioned in made}) == 1


def test_a_schema_of_another_owner_is_rejected_and_unchanged(postgres, connection, provisioned):
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("COMMENT ON SCHEMA {} IS 'another owner'").format(
                sql.Identifier(provisioned.schema)
            )
        )

        with pytest.raises(OwnershipError, match="belongs to another owner"):
            provision(postgres, a_dataset())

        cursor.execute(
            "SELECT obj_description(%s::regnamespace, 'pg_namespace')", [provisioned.schema]
        )
        assert cursor.fetchone() == ("another owner",)


def test_a_writer_can_access_no_other_dataset_and_cannot_change_its_owner(
    postgres, provisioned, cleaned
):
    other = cleaned(provision(postgres, a_dataset("p2")))
    with as_writer(postgres, other) as cursor:
        cursor.execute("CREATE TABLE secrets AS SELECT 1 AS one")
    attempts = [
        f"SELECT * FROM {other.schema}.secrets",
        f"CREATE TABLE {other.schema}.mine (a int)",
        f"COMMENT ON SCHEMA {provisioned.schema} IS 'mine now'",
        f"SET ROLE {other.writer}",
        "SET ROLE postgres",
        "CREATE SCHEMA elsewhere",
        "CREATE ROLE helper",
    ]

    with as_writer(postgres, provisioned) as cursor:
        for attempt in attempts:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(attempt)


def test_another_role_can_read_only_when_granted_and_only_read(postgres, provisioned, reader):
    with as_writer(postgres, provisioned) as cursor:
        cursor.execute("CREATE TABLE cases AS SELECT 1 AS case_id")
        cursor.execute("CREATE VIEW stg_cases AS SELECT * FROM cases")
    look = f"SELECT count(*) FROM {provisioned.schema}.stg_cases"

    reader.execute("SET ROLE analyst_here")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        reader.execute(look)
    set_readers(postgres, provisioned.schema, ["analyst_here"])
    reader.execute(look)
    assert reader.fetchone() == (1,)
    for attempt in ("DELETE FROM {}.cases", "CREATE TABLE {}.x (a int)", "DROP TABLE {}.cases"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            reader.execute(attempt.format(provisioned.schema))
    set_readers(postgres, provisioned.schema, [])
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        reader.execute(look)


def test_a_dropped_role_does_not_keep_other_readers_out(postgres, provisioned, reader):
    with pytest.raises(NotFoundError, match="missing in the database: 'dropped'"):
        set_readers(postgres, provisioned.schema, ["analyst_here", "dropped"])

    assert set_readers(
        postgres, provisioned.schema, ["analyst_here", "dropped"], skip_missing=True
    ) == ["dropped"]
    reader.execute("SELECT pg_has_role('analyst_here', %s, 'USAGE')", [provisioned.reader])
    assert reader.fetchone() == (True,)


def test_a_role_with_createrole_can_provision_without_superuser(postgres, connection, cleaned):
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE control LOGIN CREATEROLE PASSWORD 'known'")
        cursor.execute("GRANT CREATE ON DATABASE postgres TO control")
        provisioned = cleaned(provision(with_login(postgres, "control", "known"), a_dataset("p3")))
        with as_writer(postgres, provisioned) as writer:
            writer.execute("CREATE TABLE cases (case_id text)")
        cursor.execute("REASSIGN OWNED BY control TO postgres")
        cursor.execute("DROP OWNED BY control")
        cursor.execute("DROP ROLE control")


def test_a_server_that_does_not_answer_is_named_without_the_password():
    with pytest.raises(ServerError) as raised:
        provision("postgresql://u:hunter2@127.0.0.1:1/scout", a_dataset())

    assert "127.0.0.1:1" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_the_password_of_a_run_is_never_shown(provisioned):
    assert provisioned.password not in repr(provisioned)
