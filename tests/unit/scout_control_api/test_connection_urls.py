"""What is stored of the URL of another database, and which URLs are refused."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from scout_control.api.connections import _parse
from scout_control.errors import SettingsError

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def columns(**values):
    given_ = {"host": "db", "port": 5432, "database": "u", "sslmode": None}
    return given_ | {"login": {"user": "u", "password": ""}} | values


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u@db", columns()),
        ("postgres://u@db/", columns()),
        ("postgresql://u@db:6000/x", columns(port=6000, database="x")),
        ("postgresql://u@DB.test/x", columns(host="db.test", database="x")),
        ("postgresql://u@[::1]:6000/x", columns(host="::1", port=6000, database="x")),
        ("postgresql://u@10.0.0.1/x", columns(host="10.0.0.1", database="x")),
        ("postgresql://u@/x?host=%2Frun%2Fpg", columns(host="/run/pg", database="x")),
        ("postgresql://u@db/x?sslmode=verify-full", columns(database="x", sslmode="verify-full")),
        ("postgresql://u@db/a%20b%2Fc", columns(database="a b/c")),
        (
            "postgresql://%C3%A9:p%40%3A%2F%25@db/x",
            columns(database="x", login={"user": "é", "password": "p@:/%"}),
        ),
        ("postgresql://u:@db/x", columns(database="x")),
        ("postgresql://u:a:b@db/x", columns(database="x", login={"user": "u", "password": "a:b"})),
    ],
)
def test_a_url_is_stored_as_columns_and_a_login(url, expected):
    assert _parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "canary",
        "db",
        "postgresql://",
        "postgresql:///x",
        "postgresql://db/x",
        "postgresql://:canary@db/x",
        "postgresql://u:canary@/x",
        "postgresql://u:canary@db:port/x",
        "postgresql://u:canary@db:99999/x",
        "postgresql://u:canary@[::1/x",
        "postgresql://u:can@ary@db/x",
        "postgresql://u:can/ary@db/x",
        "postgresql://u:can?ary@db/x",
        "postgresql://u:can#ary@db/x",
        "postgresql://u:canary\ud800@db/x",
        "mysql://u:canary@db/x",
        "https://u:canary@db/x",
        "host=db user=u password=canary",
    ],
)
def test_a_url_without_a_single_reading_is_refused_without_being_quoted(url):
    with pytest.raises(SettingsError, match="not a Postgres URL with a host and a user") as refused:
        _parse(url)

    assert "canary" not in str(refused.value)
    assert "%40" in refused.value.remedy  # how to write an @


@given(TEXT, TEXT, TEXT)
@example("u%41", "p%40", "d%2F")
@example("+", "a+b c", "x+y")
def test_what_is_stored_is_what_the_driver_reads(user, password, database):
    parts = (quote(each, safe="") for each in (user, password, database))
    url = "postgresql://{}:{}@db.test:6000/{}".format(*parts)
    stored, read = _parse(url), conninfo_to_dict(url)

    assert stored["login"] == {"user": read["user"], "password": read["password"]}
    assert (stored["host"], str(stored["port"])) == (read["host"], read["port"])
    assert stored["database"] == read["dbname"]
