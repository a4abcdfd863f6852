"""What is stored of the URL of another database, and which URLs are refused."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from scout_control.errors import SettingsError
from scout_control.store import connection_urls
from scout_control.store.connection_urls import PARAMETERS, REFUSED, ConnectionUrl, parse

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def parts(**values):
    given_ = {"host": "db", "port": 5432, "database": "u", "user": "u", "password": ""}
    return ConnectionUrl(**given_ | values)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u@db", parts()),
        ("postgres://u@db/", parts()),
        ("postgresql://u@db:6000/x", parts(port=6000, database="x")),
        ("postgresql://u@DB.test/x", parts(host="db.test", database="x")),
        ("postgresql://u@[::1]:6000/x", parts(host="::1", port=6000, database="x")),
        ("postgresql://u@10.0.0.1/x", parts(host="10.0.0.1", database="x")),
        ("postgresql://u@/x?host=%2Frun%2Fpg", parts(host="/run/pg", database="x")),
        ("postgresql://u@%2Frun%2FPg/x", parts(host="/run/Pg", database="x")),
        ("postgresql://u@:6001/x?host=/run/pg", parts(host="/run/pg", port=6001, database="x")),
        ("postgresql://u@[fe80::1%25eth0]/x", parts(host="fe80::1%eth0", database="x")),
        ("postgresql+psycopg://u@one,two/x", parts(host="one,two", database="x")),
        ("postgresql://u@one:7,[::2]:7/x", parts(host="one,::2", port=7, database="x")),
        (
            "postgresql://u@db/x?sslmode=verify-full&sslrootcert=/etc/a%20b.pem&options=-c%20a%3Db",
            parts(
                database="x",
                sslmode="verify-full",
                parameters={"sslrootcert": "/etc/a b.pem", "options": "-c a=b"},
            ),
        ),
        ("postgresql://u@db/x?sslmode=verify-full", parts(database="x", sslmode="verify-full")),
        ("postgresql://u@db/a%20b%2Fc", parts(database="a b/c")),
        (
            "postgresql://%C3%A9:p%40%3A%2F%25@db/x",
            parts(database="x", user="é", password="p@:/%"),
        ),
        ("postgresql://u:@db/x", parts(database="x")),
        ("postgresql://u:a:b@db/x", parts(database="x", password="a:b")),
    ],
)
def test_a_url_is_stored_in_parts(url, expected):
    assert parse(url) == expected
    assert parse(expected.compose()) == expected


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
        parse(url)

    assert "canary" not in str(refused.value)
    assert "%40" in refused.value.remedy  # how to write an @


@pytest.mark.parametrize("name", sorted({*PARAMETERS} - {"connect_timeout", "sslrootcert"}))
def test_every_parameter_that_is_kept_comes_back_as_the_driver_reads_it(name):
    url = f"postgresql://u@db/x?{name}=%2Fsome%2Bvalue"
    assert parse(url).parameters == {name: "/some+value"}
    assert conninfo_to_dict(parse(url).compose())[name] == "/some+value"


@pytest.mark.parametrize(
    ("query", "message", "remedy"),
    [
        *((f"{name}=canary", f"parameter {name}", "") for name in REFUSED),
        ("sslrotcert=/canary", "parameter sslrotcert", "Did you mean sslrootcert?"),
        ("SSLMODE=canary", "parameter SSLMODE", "Did you mean sslmode?"),
        ("sslrootcert=canary.pem", "not an absolute path", "from / on"),
        ("sslkey=system", "not an absolute path", "from / on"),
        ("sslmode=canary&sslmode=disable", "sslmode twice", "one of them"),
        ("connect_timeout=0", "from 1 to 300", "Correct it"),
        ("connect_timeout=-1", "from 1 to 300", "Correct it"),
        ("connect_timeout=canary", "from 1 to 300", "Correct it"),
        ("host=canary", "another one as a parameter", "before the question mark"),
        ("%70assword=canary", "not a Postgres URL", "postgresql://"),
        ("canary", "not a Postgres URL", "postgresql://"),
    ],
)
def test_a_parameter_that_cannot_be_kept_is_refused_by_name(query, message, remedy):
    with pytest.raises(SettingsError, match=message) as refused:
        parse(f"postgresql://u:secret@db/x?{query}")

    assert remedy in refused.value.remedy
    assert "secret" not in str(refused.value)
    assert "canary" not in str(refused.value)


def test_the_authorities_of_the_system_may_verify_a_server():
    url = "postgresql://u@db/x?sslmode=verify-full&sslrootcert=system"
    assert parse(url).parameters == {"sslrootcert": "system"}


def test_hosts_with_ports_of_their_own_are_refused():
    with pytest.raises(SettingsError, match="different ports"):
        parse("postgresql://u@one:1,two:2/x")


@given(TEXT, TEXT, TEXT)
@example("u%41", "p%40", "d%2F")
@example("+", "a+b c", "x+y")
def test_what_is_stored_is_what_the_driver_reads(user, password, database):
    escaped = (quote(each, safe="") for each in (user, password, database))
    url = "postgresql://{}:{}@db.test:6000/{}".format(*escaped)
    stored, read = parse(url), conninfo_to_dict(url)

    assert (stored.user, stored.password) == (read["user"], read["password"])
    assert (stored.host, str(stored.port)) == (read["host"], read["port"])
    assert stored.database == read["dbname"]


@given(
    host=st.sampled_from(["db.test", "10.0.0.1", "::1", "fe80::1%eth0", "/run/Pg", "one,two"]),
    port=st.just(5432) | st.integers(1, 65_535),
    user=TEXT,
    password=TEXT,
    database=TEXT,
    parameters=st.dictionaries(st.sampled_from(["options", "sslsni"]), TEXT),
)
def test_every_part_survives_a_url(host, port, user, password, database, parameters):
    made = ConnectionUrl(
        host=host,
        port=port,
        database=database,
        user=user,
        password=password,
        sslmode="require",
        parameters=parameters,
    )
    assert connection_urls.parse(made.compose()) == made
