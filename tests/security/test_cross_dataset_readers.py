"""Doctor reports code of a writer that would run as a reader of other datasets."""

from __future__ import annotations

import psycopg
import pytest
from scout_control.datasets.cross_dataset_readers import find
from scout_control.rules.naming import writer_role
from support.installations import a_database, installed

ANALYST = "analyst_of_two"
# What a writer can leave in its schema, and whether it runs as the reader with what they may see.
LEFT = {
    "CREATE VIEW plain AS SELECT id, upper(name) AS name FROM things": False,
    "CREATE VIEW x AS SELECT query_to_xml('select 1', true, true, '')": True,
    "CREATE VIEW x AS SELECT 1 WHERE pg_notify('x', 'y') IS NULL": True,
    "CREATE VIEW x AS SELECT id FROM things ORDER BY random()": True,
    "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'": True,
    "CREATE PROCEDURE x() LANGUAGE sql AS 'SELECT 1'": True,
    "CREATE POLICY x ON things USING (true)": True,
}


@pytest.fixture(scope="module")
def installation(postgres, tmp_path_factory):
    with installed(a_database(postgres), tmp_path_factory.mktemp("mixed")) as made:
        yield made


@pytest.fixture(scope="module")
def schemas(installation):
    """Two datasets that one role of the database reads through a group."""
    scout = installation.scout
    with psycopg.connect(installation.settings.database_url, autocommit=True) as connection:
        for role in (f"{ANALYST}_group NOLOGIN", f"{ANALYST} LOGIN"):
            connection.execute(f"DROP ROLE IF EXISTS {role.split()[0]}")
            connection.execute(f"CREATE ROLE {role}")
        connection.execute(f"GRANT {ANALYST}_group TO {ANALYST}")
        paths = [installation.dataset("river"), installation.dataset("lake")]
        for path in paths:
            assert scout.run(path).status == "completed"
            scout.datasets.share(path, [f"{ANALYST}_group"])
        yield [scout.datasets.show(path).schema for path in paths]
        for path in paths:
            scout.datasets.share(path, [])
        connection.execute(f"DROP ROLE {ANALYST}, {ANALYST}_group")


@pytest.mark.parametrize("statement", LEFT)
def test_code_that_runs_as_a_reader_of_two_datasets_is_found(installation, schemas, statement):
    with psycopg.connect(installation.settings.database_url) as connection:
        connection.execute(f"SET ROLE {writer_role(schemas[0])}")
        connection.execute(f"SET search_path TO {schemas[0]}")
        connection.execute(statement)
        connection.commit()
        found = find(installation.scout.installation)
        kind, name = statement.split()[1:3]
        table = " ON things" if kind == "POLICY" else ""
        connection.execute(f"DROP {kind} {name.partition('(')[0]}{table}")

    assert found == ([f"{schemas[0]} ({ANALYST})"] if LEFT[statement] else [])


def test_code_for_a_reader_of_one_dataset_is_not_reported(installation, schemas):
    path = installation.dataset("pond")
    installation.scout.run(path)
    schema = installation.scout.datasets.show(path).schema
    with psycopg.connect(installation.settings.database_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS analyst_of_one")
        connection.execute("CREATE ROLE analyst_of_one LOGIN")
        installation.scout.datasets.share(path, ["analyst_of_one"])
        connection.execute(f"SET ROLE {writer_role(schema)}")
        connection.execute(f"CREATE FUNCTION {schema}.x() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        connection.execute("RESET ROLE")
        found = find(installation.scout.installation)
        installation.scout.datasets.share(path, [])
        connection.execute("DROP ROLE analyst_of_one")

    assert found == []
