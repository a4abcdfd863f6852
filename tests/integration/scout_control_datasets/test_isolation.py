"""The database enforces who can read what."""

from __future__ import annotations

import uuid

import psycopg2
import pytest
from psycopg2 import errors
from scout_control.errors import ConflictError, NotFoundError, QueryError, SettingsError
from support.logins import with_login

HOSTILE = (
    "SELECT * FROM {other}.things",
    "SELECT * FROM scout_control.credentials",
    "SELECT * FROM scout_control.datasets",
    "SELECT * FROM scout_meltano.state",
    "SELECT scout_control.touch('{other}')",
    "SELECT set_config('role', 'postgres', false)",
    "SELECT set_config('session_authorization', 'postgres', false)",
    "WITH gone AS (DELETE FROM things RETURNING 1) SELECT * FROM gone",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT 1; DROP TABLE things",
    "COPY things TO PROGRAM 'cat'",
)


@pytest.fixture
def installation(shared_installation):
    return shared_installation


@pytest.fixture(scope="module")
def datasets(shared_installation):
    """Two datasets of two projects, with data."""
    names = [shared_installation.dataset("river"), shared_installation.dataset("hill")]
    for name in names:
        shared_installation.scout.run(name)
    return names


def test_a_query_sees_its_own_dataset_and_nothing_else(installation, datasets):
    mine, other = datasets
    schema = installation.scout.datasets.show(other).schema
    answer = installation.scout.datasets.query(mine, "SELECT id, name FROM things ORDER BY id")

    assert (answer.columns, answer.rows[0], answer.is_truncated) == (
        ["id", "name"],
        (0, "a"),
        False,
    )
    for statement in HOSTILE:
        with pytest.raises(QueryError):
            installation.scout.datasets.query(mine, statement.format(other=schema))
    assert installation.rows(mine) == installation.rows(other) == [(3,)]


def test_a_query_has_limits(installation, datasets):
    mine, _ = datasets
    few = installation.scout.datasets.query(mine, "SELECT * FROM things", max_rows=2)
    with pytest.raises(QueryError, match=r"longer than 0\.3 s\."):
        installation.scout.datasets.query(mine, "SELECT pg_sleep(5)", timeout_seconds=0.3)

    assert (len(few.rows), few.is_truncated) == (2, True)


def test_a_query_of_a_dataset_without_data_says_how_to_load_it(installation):
    dataset = installation.dataset()
    with pytest.raises(ConflictError, match=f"scout run {dataset}"):
        installation.scout.datasets.query(dataset, "SELECT 1")


def test_only_the_named_roles_can_read_and_touch(installation, datasets):
    mine, _ = datasets
    role = f"reader_{uuid.uuid4().hex[:8]}"
    schemas = [installation.scout.datasets.show(name).schema for name in datasets]
    url = installation.settings.database_url
    control = psycopg2.connect(url)
    control.autocommit = True
    control.cursor().execute(f"CREATE ROLE {role} LOGIN PASSWORD 'known'")
    installation.scout.datasets.share(mine, [role])
    installation.scout.run(mine)
    reader = psycopg2.connect(with_login(url, role, "known"))
    reader.autocommit = True
    try:
        with reader.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {schemas[0]}.things")
            assert cursor.fetchone() == (3,)
            cursor.execute("SELECT scout_control.touch(%s)", [schemas[0]])
            assert cursor.fetchone() == (True,)
            for statement in (
                f"SELECT * FROM {schemas[1]}.things",
                f"SELECT scout_control.touch('{schemas[1]}')",
                f"INSERT INTO {schemas[0]}.things VALUES (9)",
                "SELECT * FROM scout_control.credentials",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    cursor.execute(statement)
            installation.scout.datasets.share(mine, [])
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(f"SELECT count(*) FROM {schemas[0]}.things")
        control.cursor().execute(f"DROP ROLE {role}")
    finally:
        reader.close()
        control.close()


def test_the_search_path_has_the_projects_schema_first_and_only_loaded_datasets(
    installation, datasets
):
    mine, other = datasets
    pending = installation.dataset("river")
    path = installation.scout.datasets.search_path("river")
    schema = installation.scout.datasets.show(mine).schema

    assert path == f'"public", "{schema}"'
    assert installation.scout.datasets.show(pending).schema not in path
    assert installation.scout.datasets.show(other).schema not in path


@pytest.mark.parametrize("statement", ["SELECT '\udcff'", "SELECT 1 /*", "", "EXPLAIN"])
def test_an_invalid_query_is_rejected_with_an_explanation(installation, datasets, statement):
    with pytest.raises(QueryError):
        installation.scout.datasets.query(datasets[0], statement)


def test_values_beyond_python_are_read_as_text(installation, datasets):
    answer = installation.scout.datasets.query(
        datasets[0],
        "SELECT 'infinity'::timestamptz, date '12026-01-02', date '2026-01-02', interval 'P1D'",
    )

    assert [str(value) for value in answer.rows[0]] == [
        "infinity",
        "12026-01-02",
        "2026-01-02",
        "1 day",
    ]


@pytest.mark.parametrize(
    "limits", [{"max_rows": 0}, {"timeout_seconds": -1}, {"timeout_seconds": 1e12}]
)
def test_invalid_limits_of_a_query_are_rejected(installation, datasets, limits):
    with pytest.raises(SettingsError):
        installation.scout.datasets.query(datasets[0], "SELECT 1", **limits)


def test_a_dataset_is_shared_only_with_existing_roles(installation, datasets):
    before = installation.scout.datasets.show(datasets[0])

    with pytest.raises(NotFoundError, match="missing in the database: 'nobody_here'"):
        installation.scout.datasets.share(datasets[0], ["nobody_here"])

    assert installation.scout.datasets.show(datasets[0]) == before
