"""A store with unusual conditions: a role with minimal rights, a database with odd settings."""

from __future__ import annotations

import uuid
from contextlib import closing
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2 import sql
from scout_control.api.scout import Scout
from scout_control.errors import ConflictError, NotFoundError, ServerError
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from support.logins import with_login

HABITS = {
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-10",
    "standard_conforming_strings": "off",
    "default_transaction_isolation": "serializable",
    "timezone": "Asia/Kathmandu",
    "search_path": "nowhere",
}
VALUES = """
    SELECT date '2026-11-20', interval '1 hour', 0.1::float8 + 0.2, decode('00', 'hex'), max(id)
      FROM things
"""


@pytest.fixture
def url(postgres):
    """A database with unusual settings; its role may create roles and is not a superuser."""
    name = f"odd_{uuid.uuid4().hex[:10]}"
    made = embedded_postgres.create_database(postgres, f"{name} %é")
    with closing(psycopg2.connect(postgres)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        role, database = sql.Identifier(name), sql.Identifier(f"{name} %é")
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD 'known'").format(role))
        cursor.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, role))
        for setting, value in HABITS.items():
            statement = sql.SQL("ALTER DATABASE {} SET {} TO {}")
            cursor.execute(statement.format(database, sql.Identifier(setting), sql.Literal(value)))
    return with_login(made, name, "known")


def test_an_ordinary_role_and_unusual_database_defaults_work(installation, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/proc")  # which is not writable
    scout, dataset = installation.scout, installation.dataset()
    run = scout.run(dataset)
    described = scout.models.describe(dataset)
    answer = scout.datasets.query(dataset, VALUES)

    assert (run.status, run.rows_loaded) == ("completed", {"things": 3})
    told = run.as_dict()
    assert (told["rows_loaded"], told["sources"]["things"]["rows"]) == (3, 3)
    assert [(each["table"], each["rows"]) for each in described["tables"]] == [("things", 3)]
    assert [str(value) for value in answer.rows[0][:3]] == [
        "2026-11-20",
        "01:00:00",
        "0.30000000000000004",
    ]
    assert scout.runs.list()[0].run_id == run.run_id
    assert scout.tick()["queued"] == 0
    assert scout.installation.dbt_folder(run.schema).is_dir()
    scout.datasets.drop(dataset)
    assert not scout.installation.dbt_folder(run.schema).exists()
    assert scout.datasets.show(dataset).status == "expired"
    with pytest.raises(ConflictError, match="holds no data now"):
        scout.datasets.touch(dataset)
    with pytest.raises(ConflictError, match="holds no data now"):
        scout.models.generate(dataset, tmp_path)
    with pytest.raises(NotFoundError, match="no catalog"):
        scout.models.describe(dataset)


def test_a_credential_is_tested_with_a_tap_without_a_test_option(installation):
    source = installation.dataset().split("/")[1]
    installation.act(test=2, words="error: unrecognized arguments: --test")
    found = installation.scout.credentials.check(source, project="river")

    assert (found.status, found.last_error) == ("connected", None)


def test_a_role_without_createrole_is_reported(url, tmp_path, postgres):
    name = urlsplit(url).username
    with closing(psycopg2.connect(postgres)) as connection:
        connection.autocommit = True
        connection.cursor().execute(
            sql.SQL("ALTER ROLE {} NOCREATEROLE").format(sql.Identifier(name))
        )
    settings = Settings(
        project_root=tmp_path, home=tmp_path, database_url=url, encryption_keys=generate()
    )
    with Scout(settings) as scout, pytest.raises(ServerError, match="CREATEROLE"):
        scout.init()
