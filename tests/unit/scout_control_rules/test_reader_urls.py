"""URLs of readers: what every driver parses, without anything of control's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from scout_control.rules.reader_urls import ReaderLogin, options_for_readers

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)


def a_login(**changes) -> ReaderLogin:
    usual = {
        "host": "db.example.org",
        "port": 5432,
        "database": "warehouse",
        "user": "data_x_login",
    }
    return ReaderLogin(**{**usual, "password": "s3cret", **changes})


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "postgresql://data_x_login:s3cret@db.example.org:5432/warehouse"),
        (
            {"options": {"sslmode": "verify-full", "sslrootcert": "/etc/ca file.pem"}},
            "postgresql://data_x_login:s3cret@db.example.org:5432/warehouse"
            "?sslmode=verify-full&sslrootcert=/etc/ca%20file.pem",
        ),
        (
            {"host": "/run/pg", "port": 5433},
            "postgresql://data_x_login:s3cret@/warehouse?host=/run/pg&port=5433",
        ),
        ({"host": "::1"}, "postgresql://data_x_login:s3cret@[::1]:5432/warehouse"),
        (
            {"password": "a/b:c@d#e?f%g&h"},
            "postgresql://data_x_login:a%2Fb%3Ac%40d%23e%3Ff%25g%26h@db.example.org:5432/warehouse",
        ),
    ],
)
def test_the_url(changes, url):
    assert a_login(**changes).url == url


@given(texts, texts, texts)
def test_libpq_reads_the_url_as_it_was_meant(password, database, user):
    login = a_login(password=password, database=database, user=user, host="/a b/c")

    assert conninfo_to_dict(login.url) == {
        "host": "/a b/c",
        "port": "5432",
        "dbname": database,
        "user": user,
        "password": password,
    }


def test_the_environment_names_everything_for_libpq():
    assert a_login(options={"sslmode": "require", "target_session_attrs": "any"}).environment == {
        "PGHOST": "db.example.org",
        "PGPORT": "5432",
        "PGDATABASE": "warehouse",
        "PGUSER": "data_x_login",
        "PGPASSWORD": "s3cret",
        "PGSSLMODE": "require",
        "PGTARGETSESSIONATTRS": "any",
    }


def test_the_password_is_not_in_the_representation():
    assert "s3cret" not in repr(a_login())


def test_readers_get_nothing_of_controls_own_connection():
    of_control = {
        "user": "scout",
        "password": "canary",
        "sslpassword": "canary",
        "sslkey": "/home/scout/key",
        "sslcert": "/home/scout/cert",
        "passfile": "/home/scout/pass",
        "options": "-c role=scout",
        "application_name": "scout",
        "sslmode": "require",
        "sslrootcert": None,
    }

    assert options_for_readers(of_control) == {"sslmode": "require"}
