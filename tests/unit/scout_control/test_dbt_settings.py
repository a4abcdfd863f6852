"""The loader's settings as dbt gets them."""

from __future__ import annotations

from scout_control.dbt import translated


def test_a_url_says_everything_percent_signs_included():
    url = "postgresql://wri%40ter:p%2Fw@db.test:6432/scout?sslmode=require"

    assert translated({"TARGET_SCOUT_POSTGRES_DATABASE_URL": url}) == {
        "PGHOST": "db.test",
        "PGPORT": "6432",
        "PGUSER": "wri@ter",
        "DBT_ENV_SECRET_PGPASSWORD": "p/w",
        "PGDATABASE": "scout",
        "PGSSLMODE": "require",
    }


def test_a_socket_is_a_host():
    url = "postgresql://postgres@/scout?host=/tmp/a%20b"

    assert translated({"TARGET_SCOUT_POSTGRES_DATABASE_URL": url})["PGHOST"] == "/tmp/a b"


def test_single_settings_and_the_dataset_schema_are_taken_over():
    given = {"HOST": "h", "PORT": "5433", "USER": "u", "PASSWORD": "p", "DATABASE": "d"}
    given |= {"DEFAULT_TARGET_SCHEMA": "data_x"}
    environment = {f"TARGET_SCOUT_POSTGRES_{name}": value for name, value in given.items()}

    assert translated(environment) == {
        "PGHOST": "h",
        "PGPORT": "5433",
        "PGUSER": "u",
        "DBT_ENV_SECRET_PGPASSWORD": "p",
        "PGDATABASE": "d",
        "SCOUT_DATASET_SCHEMA": "data_x",
    }


def test_without_settings_of_the_loader_the_environment_stays_as_it_is():
    assert translated({"PGHOST": "h", "SCOUT_DATASET_SCHEMA": "data_x"}) == {}


def test_a_host_counts_more_than_a_url_as_it_does_for_the_loader():
    environment = {
        "TARGET_SCOUT_POSTGRES_DATABASE_URL": "postgresql://u@other/x",
        "TARGET_SCOUT_POSTGRES_HOST": "h",
    }

    assert translated(environment) == {"PGHOST": "h"}
