"""One URL of Postgres, read by libpq, by SQLAlchemy and by control: all must mean the same."""

from __future__ import annotations

import uuid
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from scout_control.errors import SettingsError
from scout_control.installation import secret_context
from scout_control.installation.encryption import generate
from scout_control.installation.installation import Installation
from scout_control.installation.settings import Settings
from scout_control.store import connection_urls, models, postgres
from scout_control.store.database import Store

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
HERE = "postgresql://scout:pass@db.test:6000/control"


def an_installation(**values) -> Installation:
    given = {"project_root": Path("/p"), "home": Path("/h"), "database_url": HERE}
    return Installation(Settings(**given | {"encryption_keys": generate()} | values))


def a_connection(
    installation, user="ann", password="pa:s/s@%", parameters=None, **values
) -> models.Connection:
    row = models.Connection(
        **{"id": uuid.uuid4(), "name": "other", "host": "other.test", "port": 5433}
        | {"database": "data", "sslmode": None}
        | values
    )
    context = secret_context.of_connection(row)
    login = {"user": user, "password": password}
    if parameters:  # versions before 0.2 stored none
        login["parameters"] = parameters
    row.login = installation.keyring.encrypt(login, context)
    return row


@settings(max_examples=50)
@given(TEXT, TEXT, TEXT)
@example("u+v w", "p+q r%20", "d+b x%41")
@example("@", "@/:?#[]", "/?#")
def test_the_driver_reads_what_was_written(user, password, database):
    url = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@db:6000/" + quote(
        database, safe=""
    )
    given_, found = conninfo_to_dict(url), conninfo_to_dict(Store(url).driver_url)

    for name in ("user", "password", "host", "port", "dbname"):
        assert found[name] == given_[name], name


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@[::1]:6000/db?sslmode=verify-full&sslrootcert=%2Fa%20b%2Fca.pem",
        "postgresql://u:p@[fe80::1%25eth0]/db?channel_binding=require",
        "postgresql://u:p@db/db?target_session_attrs=read-write&connect_timeout=25",
        "postgresql://u:p@/db?host=/run/Pg&port=6001&sslcert=/c.pem&sslkey=/k.pem",
    ],
)
def test_nothing_of_the_url_of_the_store_is_lost_on_the_way_to_the_driver(url):
    given_, found = conninfo_to_dict(url), conninfo_to_dict(Store(url).driver_url)

    assert {name: found.get(name) for name in given_} == given_
    assert postgres.defaults(Store(url).driver_url) == {}  # the store has a timeout in any case


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", None),
        ("?options=-c%20jit%3Doff", "-c jit=off"),
        ("?options=-c+jit=off", "-c jit=off"),
    ],
    ids=["none", "percent", "plus"],
)
def test_the_options_of_a_url_reach_the_driver_as_they_were_meant(query, options):
    assert conninfo_to_dict(Store(HERE + query).driver_url).get("options") == options


def test_our_settings_of_a_session_come_after_those_of_the_url():
    """The last of two settings counts."""
    given_ = postgres.options(HERE + "?options=-csearch_path%3Devil", [("search_path", "ours")])

    assert given_ == "-csearch_path=evil -c search_path=ours"


def test_the_database_of_the_store_holds_datasets_under_the_login_of_the_store():
    installation = an_installation()
    own = models.Connection(name="default", host=None, login=None, port=5432)

    assert installation.server_url(own) == installation.store.driver_url
    assert conninfo_to_dict(installation.server_url(own))["password"] == "pass"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"host": "other.test", "port": "5433", "dbname": "data"}),
        ({"sslmode": "verify-full"}, {"host": "other.test", "sslmode": "verify-full"}),
        ({"host": "/run/pg", "port": 5432}, {"host": "/run/pg", "dbname": "data"}),
        ({"host": "/run/pg", "port": 6001}, {"host": "/run/pg", "port": "6001"}),
        ({"host": "::1"}, {"host": "::1", "port": "5433", "dbname": "data"}),
        ({"host": "fe80::1%eth0"}, {"host": "fe80::1%eth0", "port": "5433"}),
        ({"host": "::1", "sslmode": "require"}, {"host": "::1", "sslmode": "require"}),
        (
            {"parameters": {"sslrootcert": "/etc/a b/ca.pem", "channel_binding": "require"}},
            {"sslrootcert": "/etc/a b/ca.pem", "channel_binding": "require"},
        ),
        ({"host": "10.0.0.1"}, {"host": "10.0.0.1"}),
        ({"database": "with space/and?#@%"}, {"dbname": "with space/and?#@%"}),
        ({"database": "नदी"}, {"dbname": "नदी"}),
    ],
    ids=[
        *("plain", "TLS", "socket", "port of a socket", "IPv6", "zone", "IPv6 and TLS"),
        *("parameters", "address", "special characters", "another script"),
    ],
)
def test_another_database_is_reached_as_it_was_given(values, expected):
    installation = an_installation()
    found = conninfo_to_dict(installation.server_url(a_connection(installation, **values)))

    assert {name: found[name] for name in expected} == expected
    assert (found["user"], found["password"]) == ("ann", "pa:s/s@%")


@settings(max_examples=50)
@given(TEXT, TEXT)
def test_any_login_of_another_database_is_handed_over_exactly(user, password):
    installation = an_installation()
    url = installation.server_url(a_connection(installation, user, password))
    found = conninfo_to_dict(url)

    assert (found["user"], found["password"]) == (user, password)
    assert found["host"] == "other.test"


def test_a_database_that_was_exchanged_in_the_store_does_not_get_the_password():
    installation = an_installation()
    row = a_connection(installation, password="canary")
    row.host = "evil.test"

    with pytest.raises(SettingsError, match="stored for another address") as refused:
        installation.server_url(row)
    assert "canary" not in str(refused.value)


def test_a_url_without_a_timeout_gets_one_and_one_with_it_keeps_it():
    assert postgres.defaults(HERE) == {"connect_timeout": 10}
    assert postgres.defaults(f"{HERE}?connect_timeout=30") == {}
    assert postgres.defaults("no URL at all") == {}


def test_keys_that_were_rotated_are_read_again():
    installation = an_installation()
    before = installation.keyring

    assert installation.keyring is before
    installation.forget_keyring()
    assert installation.keyring is not before
    installation.forget_keyring()
    installation.forget_keyring()  # also where they were not read yet


PARTS = {"host": "db.example.org", "user": "ann", "password": "p@ss/w:rd#?%"}


def test_parts_are_read_as_the_url_of_them_would_be():
    found = connection_urls.of_parts(PARTS)

    assert found == connection_urls.parse(found.compose())
    assert (found.port, found.database, found.password) == (5432, "ann", PARTS["password"])
    more = {"port": 5433, "database": "d", "sslmode": "require", "parameters": {"sslsni": "1"}}
    full = connection_urls.of_parts(PARTS | more)
    assert (full.port, full.database, full.sslmode, full.parameters) == tuple(more.values())


@pytest.mark.parametrize(
    "change",
    [
        {"host": ""},
        {"user": ""},
        {"host": "db.example.org/other?x=1"},
        {"host": "db@evil.example.org"},
        {"host": "db.example.org:1"},
        {"user": "ann\0"},
        {"parameters": {"passfile": "/x"}},
        {"parameters": {"unknown": "1"}},
        {"parameters": {"sslrootcert": "relative"}},
    ],
)
def test_parts_that_no_connection_can_have_are_refused(change):
    with pytest.raises(SettingsError) as refused:
        connection_urls.of_parts(PARTS | change)

    assert "p@ss" not in str(refused.value)
