"""The alias and the login of a dataset, from its first run to the end of its data."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from psycopg import errors
from scout_control.api.scout import Scout
from scout_control.datasets import aliases, reads
from scout_control.errors import ConflictError, SettingsError
from scout_control.installation.encryption import generate
from scout_control.rules.naming import login_role, reader_role
from scout_control.store.models import AuditValue, Dataset
from sqlalchemy import select
from support.installations import a_database, installed
from support.logins import at_database_of
from support.workers import environment_of

REFUSED = (errors.InsufficientPrivilege, errors.UndefinedTable, errors.ReadOnlySqlTransaction)


@pytest.fixture(scope="module")
def installation(postgres, control_postgres, tmp_path_factory):
    url = a_database(control_postgres)
    with installed(
        url, tmp_path_factory.mktemp("readers"), superuser_url=at_database_of(postgres, url)
    ) as made:
        yield made


@pytest.fixture(scope="module")
def path(installation):
    """A dataset that was loaded."""
    found = installation.dataset("river")
    assert installation.scout.run(found).status == "completed"
    return found


@pytest.fixture(scope="module")
def other(installation, path):
    """A dataset of another project, whose id gives the same name; someone else has the next."""
    scout, source = installation.scout, path.partition("/")[2]
    taken = f"{scout.datasets.show(path).alias}_2"
    with psycopg.connect(installation.superuser_url, autocommit=True) as superuser:
        superuser.execute(f"CREATE SCHEMA {taken}")
        superuser.execute(f"CREATE TABLE {taken}.things (stolen text)")
        scout.projects.create("River")
        scout.sources.link("River", source, mode="project")
        scout.credentials.save(source, "settings", {"key": "canary"}, project="River")
        found = scout.datasets.ensure("River", source).path
        assert scout.run(found).status == "completed"
        assert superuser.execute(f"TABLE {taken}.things").fetchall() == []
    return found


@pytest.fixture
def datasets(installation):
    return installation.scout.datasets


def connect(url):
    return closing(psycopg.connect(url, autocommit=True))


def a_row(url, statement):
    with connect(url) as connection:
        return connection.execute(statement).fetchone()


def _rows(scout):
    with scout.installation.store.begin() as session:
        return session.scalars(select(Dataset)).all()


def program(installation, *words, **options):
    return subprocess.run(
        [sys.executable, "-m", "scout_control", *words],
        env=environment_of(installation.settings) | {"PGHOST": "nowhere", "PGOPTIONS": "-c x.y=1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def test_a_run_makes_the_alias_and_every_view_of_the_dataset_names_it(installation, path, datasets):
    shown = datasets.show(path)
    source = path.partition("/")[2]

    assert shown.alias == f"river_{source.replace('-', '_')}"
    assert datasets.list(project="river")[0].alias == shown.alias
    assert installation.scout.runs.show(path).alias == shown.alias
    assert installation.scout.models.describe(shown.alias)["alias"] == shown.alias
    for statement in (f"SELECT count(*) FROM {shown.alias}.things", "SELECT count(*) FROM things"):
        assert datasets.query(shown.alias, statement).rows == [(3,)]


def test_the_login_reads_its_dataset_and_nothing_else(datasets, path, other):
    found, schema = datasets.url(path), datasets.show(other).schema

    assert datasets.url(path).url == found.url
    with connect(found.url) as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (3,)
        assert connection.execute("SHOW search_path").fetchone() == (
            f"{found.schema}, {datasets.show(path).schema}",
        )
        assert connection.execute("SHOW statement_timeout").fetchone() == ("10min",)
        limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user"
        assert connection.execute(limit).fetchone() == (20,)
        # It is the database that refuses, also where the session may write.
        connection.execute("SET default_transaction_read_only TO off")
        for statement in (
            f"UPDATE {datasets.show(path).schema}.things SET name = 'x'",
            f"DELETE FROM {datasets.show(path).schema}.things",
            f"CREATE TABLE {found.schema}.mine (id int)",
            f"SELECT * FROM {schema}.things",
            f"SELECT * FROM {datasets.show(other).alias}.things",
            "SELECT * FROM scout_control.datasets",
            "SELECT * FROM scout_meltano.state",
            "SELECT * FROM pg_authid",
            f"SET ROLE {reader_role(schema)}",
        ):
            with pytest.raises(REFUSED):
                connection.execute(statement)


def test_reads_through_the_alias_count_as_use(installation, path, datasets):
    found = datasets.url(path)
    schema, server_url = (
        datasets.show(path).schema,
        installation.scout.installation.store.driver_url,
    )
    before = reads.latest_scans(server_url, [schema]).get(schema)
    with connect(found.url) as connection:
        connection.execute(f"SELECT sum(id) FROM {found.schema}.things")
        connection.execute("SELECT pg_stat_force_next_flush()")
        version = connection.info.server_version
    after = reads.latest_scans(server_url, [schema]).get(schema)

    # Earlier servers do not record scans.
    is_recorded = after is not None and (before is None or after > before)
    assert is_recorded is (version >= reads.FIRST_VERSION_WITH_SCAN_TIMES)


def test_a_run_and_sharing_leave_the_login_as_it_is(installation, path, datasets):
    url = datasets.url(path).url
    installation.scout.run(path)
    datasets.share(path, [])

    assert a_row(url, "SELECT count(*) FROM things") == (3,)


def test_a_new_password_replaces_the_former_and_ends_its_sessions(datasets, path):
    former = datasets.url(path)
    with connect(former.url) as connection:
        present = datasets.url(path, new_password=True)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")

    assert present.url == datasets.url(path).url != former.url
    assert a_row(present.url, "SELECT count(*) FROM things") == (3,)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(former.url)


def test_a_revoked_login_is_gone_until_it_is_asked_for_again(installation, datasets, path):
    former, role = datasets.url(path).url, login_role(datasets.show(path).schema)

    assert datasets.revoke_url(path)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(former)
    exists = f"SELECT count(*) FROM pg_roles WHERE rolname = '{role}'"
    assert a_row(installation.superuser_url, exists) == (0,)
    assert not datasets.revoke_url(path)
    assert datasets.url(path).url != former


def test_a_login_that_an_administrator_dropped_comes_back_with_its_password(
    installation, datasets, path
):
    url, role = datasets.url(path).url, login_role(datasets.show(path).schema)
    with psycopg.connect(installation.superuser_url, autocommit=True) as superuser:
        superuser.execute(f"DROP ROLE {role}")

    assert datasets.url(path).url == url
    assert a_row(url, "SELECT count(*) FROM things") == (3,)


def test_a_lost_key_costs_a_new_password_only(installation, datasets, path):
    former = datasets.url(path).url
    with Scout(replace(installation.settings, encryption_keys=generate())) as stranger:
        with pytest.raises(SettingsError, match="--new-password"):
            stranger.datasets.url(path)
        assert stranger.datasets.url(path, new_password=True).url != former
    assert installation.scout.rotate_keys() == 0  # what it cannot open, it leaves
    datasets.url(path, new_password=True)


def test_no_secret_reaches_the_audit_trail(installation, datasets, path):
    found = datasets.url(path)
    with installation.scout.installation.store.begin() as session:
        values = "\n".join(session.scalars(select(AuditValue.value)))
        stored = session.scalars(
            select(Dataset.reader_login).where(Dataset.reader_login.is_not(None))
        ).all()

    assert found.password not in values + repr(found)
    assert stored
    assert all(found.password.encode() not in each for each in stored)
    shown = [each for each in installation.scout.audit.list() if each.action == "reader shown"]
    assert shown


def test_projects_whose_ids_give_the_same_name_stay_apart(installation, path, other, datasets):
    mine, theirs = datasets.show(path).alias, datasets.show(other).alias
    assert theirs == f"{mine}_3"

    with pytest.raises(ConflictError, match="another dataset has it"):
        datasets.update(other, alias=mine)
    with pytest.raises(SettingsError, match="reserved"):
        datasets.update(other, alias="select")
    with psycopg.connect(installation.superuser_url, autocommit=True) as superuser:
        superuser.execute("CREATE SCHEMA of_someone")
    with pytest.raises(ConflictError, match="someone else"):
        datasets.update(other, alias="of_someone")
    assert datasets.show(other).alias == theirs


def test_an_alias_is_renamed_under_the_eyes_of_its_readers(datasets, path):
    former = datasets.show(path).alias
    url = datasets.url(path).url

    assert datasets.update(path, alias="water_2024").alias == "water_2024"
    assert a_row(url, "SELECT count(*) FROM water_2024.things") == (3,)
    assert a_row(url, "SHOW search_path")[0].startswith("water_2024, ")
    assert datasets.query("water_2024", "SELECT count(*) FROM things").rows == [(3,)]
    assert datasets.update(path, unset=["alias"]).alias == former


def test_psql_opens_the_dataset_with_nothing_secret_but_its_own_login(installation, path):
    done = program(
        installation, "psql", path, "-AtX", "-c", "SELECT count(*) FROM things", "-c", "\\! env"
    )

    assert done.returncode == 0, done.stderr
    count, *variables = done.stdout.splitlines()
    assert count == "3"
    names = {each.partition("=")[0] for each in variables}
    assert {"PGPASSWORD", "PGUSER", "PGHOST", "PATH"} <= names
    assert [name for name in names if name.startswith("SCOUT_")] == []
    assert "PGOPTIONS" not in names
    failed = program(installation, "psql", path, "-c", "CREATE TEMP TABLE mine (id int)")
    assert failed.returncode == 1
    assert "read-only" in failed.stderr


def test_the_command_prints_the_url_alone_and_tells_people_the_rest(installation, path, datasets):
    found = datasets.url(path)
    done = program(installation, "url", path)
    assert (done.stdout, done.stderr) == (f"{found.url}\n", "")
    as_json = json.loads(program(installation, "url", path, "--json").stdout)
    assert (as_json["user"], as_json["password"]) == (found.user, found.password)

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "scout_control", "url", path],
        env=environment_of(installation.settings),
        stdout=slave,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.communicate(timeout=120)[1]
    os.close(slave)
    os.close(master)
    assert found.password not in said
    for words in (found.schema, "It ends when the data is dropped", f"scout url {path} --revoke"):
        assert words in said


def test_nothing_of_it_outlives_the_data(installation, datasets):
    path = installation.dataset("lake")
    with pytest.raises(ConflictError, match="scout run"):
        datasets.url(path)
    installation.scout.run(path)
    url, shown = datasets.url(path).url, datasets.show(path)
    datasets.drop(path)

    remains = (
        "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = ANY(%s)),"
        " (SELECT count(*) FROM pg_roles WHERE rolname LIKE %s),"
        " (SELECT count(*) FROM pg_proc WHERE prosrc LIKE %s)"
    )
    names = [[shown.schema, shown.alias], f"{shown.schema}%", f"%{shown.schema}%"]
    with psycopg.connect(installation.superuser_url) as superuser:
        assert superuser.execute(remains, names).fetchone() == (0, 0, 0)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    with pytest.raises(ConflictError, match="scout run"):
        datasets.url(path)
    assert datasets.show(path).alias == shown.alias  # for when it is loaded again


def test_where_names_reveal_nothing_there_is_no_alias_unless_one_is_chosen(
    control_postgres, tmp_path
):
    url = a_database(control_postgres)
    with (
        installed(url, tmp_path) as made,
        Scout(replace(made.settings, opaque_names=True)) as scout,
    ):
        scout.init()
        path = made.dataset("river")
        assert scout.run(path).alias is None
        assert "river" not in scout.datasets.url(path).url
        assert scout.datasets.update(path, alias="water").alias == "water"
        [problem] = [aliases.refresh(scout.installation, row) for row in _rows(scout)]
        assert problem == []
        assert scout.datasets.query(path, "SELECT count(*) FROM water.things").rows == [(3,)]
        with pytest.raises(ConflictError, match="there is no default"):
            scout.datasets.update(path, unset=["alias"])
