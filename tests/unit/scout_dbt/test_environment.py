"""The loader's settings in dbt's environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg2.extensions import parse_dsn
from scout_control.rules import environment as of_control
from scout_control.rules import terminal as terminal_of_control
from scout_dbt.environment import (
    PASSWORDS,
    connection_variables,
    conninfo,
    dbt_environment,
    is_visible,
)
from scout_dbt.terminal import UNSAFE, escaped


def test_a_url_says_everything_percent_signs_included():
    url = "postgresql://wri%40ter:p%2Fw@db.test:6432/scout?sslmode=require"

    variables, password = connection_variables({"TARGET_SCOUT_POSTGRES_DATABASE_URL": url})

    assert password == "p/w"
    assert variables == {
        "PGHOST": "db.test",
        "PGPORT": "6432",
        "PGUSER": "wri@ter",
        "PGDATABASE": "scout",
        "PGSSLMODE": "require",
    }


def test_what_only_a_url_can_say_reaches_dbt_and_its_helpers():
    url = (
        "postgresql://u:p@[::1]:5433/x?sslmode=verify-full&sslrootcert=/ca.pem&sslcrl=/crl.pem"
        "&channel_binding=require&target_session_attrs=read-write&connect_timeout=20"
        "&options=-c%20jit%3Doff"
    )
    variables, _ = connection_variables({"TARGET_SCOUT_POSTGRES_DATABASE_URL": url})

    assert variables["PGHOST"] == "::1"
    expected = {
        "PGSSLROOTCERT": "/ca.pem",
        "PGSSLCRL": "/crl.pem",
        "PGCHANNELBINDING": "require",
        "PGTARGETSESSIONATTRS": "read-write",
        "PGCONNECT_TIMEOUT": "20",
        "PGOPTIONS": "-c jit=off",
    }
    assert {name: variables[name] for name in expected} == expected
    read = parse_dsn(conninfo(variables))
    assert (read["host"], read["channel_binding"]) == ("::1", "require")
    assert all(map(is_visible, variables))


def test_a_socket_is_a_host():
    url = "postgresql://postgres@/scout?host=/tmp/a%20b"

    assert (
        connection_variables({"TARGET_SCOUT_POSTGRES_DATABASE_URL": url})[0]["PGHOST"] == "/tmp/a b"
    )


def test_single_settings_and_the_dataset_schema_are_taken_over():
    given = {"HOST": "h", "PORT": "5433", "USER": "u", "PASSWORD": "p", "DATABASE": "d"}
    given |= {"DEFAULT_TARGET_SCHEMA": "data_x"}
    environment = {f"TARGET_SCOUT_POSTGRES_{name}": value for name, value in given.items()}

    variables, password = connection_variables(environment)

    assert password == "p"
    assert variables == {
        "PGHOST": "h",
        "PGPORT": "5433",
        "PGUSER": "u",
        "PGDATABASE": "d",
        "SCOUT_DATASET_SCHEMA": "data_x",
    }


def test_without_settings_of_the_loader_the_environment_stays_as_it_is():
    assert connection_variables({"PGHOST": "h", "SCOUT_DATASET_SCHEMA": "data_x"}) == ({}, None)


def test_a_host_counts_more_than_a_url_as_it_does_for_the_loader():
    environment = {
        "TARGET_SCOUT_POSTGRES_DATABASE_URL": "postgresql://u@other/x",
        "TARGET_SCOUT_POSTGRES_HOST": "h",
    }

    assert connection_variables(environment) == ({"PGHOST": "h"}, None)


@pytest.mark.parametrize(
    "settings",
    [
        {"TARGET_SCOUT_POSTGRES_DATABASE_URL": "postgresql://u:canary@h/d"},
        {"TARGET_SCOUT_POSTGRES_HOST": "h", "TARGET_SCOUT_POSTGRES_PASSWORD": "canary"},
        {"PGHOST": "h", "PGPASSWORD": "canary"},
        {"PGHOST": "h", "DBT_ENV_SECRET_PGPASSWORD": "canary"},
    ],
)
def test_the_password_is_in_a_file_of_libpq_and_in_no_variable(settings):
    others = {
        "TAP_COMMCARE_API_KEY": "canary",
        "SCOUT_DATABASE_URL": "canary",
        "HTTPS_PROXY": "canary",
    }
    seen = dbt_environment(settings | others | {"DBT_THREADS": "1", "LANG": "C"})

    assert "canary" not in " ".join(seen.values())
    assert seen["PGHOST"] == "h"
    assert seen["LANG"] == "C"
    assert Path(seen["PGPASSFILE"]).read_text() == "*:*:*:*:canary\n"
    assert Path(seen["PGPASSFILE"]).stat().st_mode & 0o777 == 0o600


def test_what_a_run_gives_to_plugins_is_visible_to_dbt_and_nothing_secret():
    for name in (*of_control.PLUGIN_VARIABLES, of_control.PROJECT, *of_control.DBT_SETTINGS):
        assert is_visible(name), name
    for name in (*of_control.PROXIES, *PASSWORDS, "SCOUT_ENCRYPTION_KEYS"):
        assert not is_visible(name), name


def test_control_and_scout_dbt_escape_the_same_characters():
    assert UNSAFE.pattern == terminal_of_control.CONTROL_CHARACTERS.pattern
    text = "a\x1b[2J\u202eb\u200bc\n"
    assert escaped(text, keep="\n") == terminal_of_control.escaped(text, keep="\n")
