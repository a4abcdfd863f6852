"""What is passed to libpq, and how messages name the server."""

from __future__ import annotations

import pytest
from psycopg2.extensions import make_dsn, parse_dsn
from target_scout_postgres import settings
from target_scout_postgres.postgres import connection

HERE = "postgresql://u:secret@db.test:5433/x"


def given(**values):
    return settings.validate({"default_target_schema": "data_x", **values})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"connect_timeout": "10", "keepalives_idle": "30"}),
        ("?connect_timeout=25", {"connect_timeout": "25", "keepalives_idle": "30"}),
        ("?keepalives_idle=5", {"connect_timeout": "10", "keepalives_idle": "5"}),
        ("?channel_binding=require", {"channel_binding": "require"}),
        ("?sslmode=verify-full&sslrootcert=/ca.pem", {"sslrootcert": "/ca.pem"}),
        ("?target_session_attrs=read-write", {"target_session_attrs": "read-write"}),
        ("?options=-c%20jit%3Doff", {"options": "-c jit=off"}),
        # Waiting sessions find the holder of a lock by it.
        ("?application_name=mine", {"application_name": "target-scout-postgres"}),
    ],
)
def test_what_a_url_says_counts_more_than_defaults(query, expected):
    arguments = connection._arguments(given(database_url=HERE + query))
    read = parse_dsn(make_dsn(**arguments))

    assert {name: read[name] for name in expected} == expected


def test_single_settings_have_the_same_defaults():
    read = connection._arguments(given(host="::1", database="x", user="u"))

    assert (read["host"], read["dbname"], read["connect_timeout"]) == ("::1", "x", 10)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"host": "db.test", "database": "x"}, "db.test:5432/x"),
        ({"host": "::1", "database": "x"}, "[::1]:5432/x"),
        ({"host": "/run/pg", "database": "x"}, "/run/pg:5432/x"),
        ({"database_url": HERE}, "db.test:5433/x"),
        ({"database_url": "postgresql+psycopg2://u:s@[2001:db8::1]/x"}, "[2001:db8::1]/x"),
        ({"database_url": "postgresql://u:se@cret@[::1]/x"}, "the server of database_url"),
    ],
)
def test_a_message_names_the_server_and_nothing_of_a_password(values, shown):
    assert connection.display_address(given(**values)) == shown
