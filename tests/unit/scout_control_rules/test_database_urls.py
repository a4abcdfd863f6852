"""Which parts of a database URL a message shows: never what may be part of a password."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scout_control.rules.database_urls import is_ambiguous, redacted

HIDDEN = "the server of the given URL"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:canary@db:5433/scout", "db:5433/scout"),
        ("postgres://u:canary@db.example.org/scout", "db.example.org/scout"),
        ("postgresql+psycopg://u:canary@db/scout", "db/scout"),
        ("postgresql://u@db", "db"),
        ("postgresql://db", "db"),
        ("postgresql://u:@db/", "db"),
        ("postgresql://u:can:ary@db/scout", "db/scout"),
        ("postgresql://u:canary@db:5433/scout?sslmode=verify-full", "db:5433/scout"),
        ("postgresql://u:canary@db:65535/scout", "db:65535/scout"),
        ("postgresql://u:canary@[::1]:5433/scout", "[::1]:5433/scout"),
    ],
)
def test_host_port_and_database_of_a_plain_url_are_shown(url, shown):
    assert redacted(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "canary",
        "canary@db",
        "mysql://u:canary@db/scout",
        "postgresql://u:canary@canary@db/scout",
        "postgresql://u:canary/canary@db/scout",
        "postgresql://u:canary#canary@db/scout",
        "postgresql://u:canary?canary@db/scout",
        "postgresql://u:canary@db:99999/scout",
        "postgresql://u:canary@db:5433/scout?password=canary",
        "postgresql://u:canary@db:5433/scout?sslmode=require&password=canary",
        "postgresql://u:canary@db/scout\n",
        "postgresql://u:can ary@db/scout",
        "postgresql://u:canary@dbé/scout",
        "postgresql://u:canary@[::1/scout",
        "postgresql://u:canary@::1/scout",
        "postgresql:///scout?host=/run&password=canary",
        "host=db user=u password=canary",
    ],
)
def test_nothing_is_shown_of_a_url_with_more_than_one_reading(url):
    assert redacted(url) == HIDDEN


@given(st.text())
@example("p@db.evil/x")
@example("p/x@db.evil:1")
@example("p#@db")
@example("\u202e@db")
def test_no_password_is_ever_shown(password):
    shown = redacted(f"postgresql://u:{password}@db.example.org:5432/scout")

    assert shown in {HIDDEN, "db.example.org:5432/scout"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@db/scout", False),
        ("postgresql://u:p%40%2F@db/scout", False),
        ("postgresql://db/scout", False),
        ("postgresql://u:p@q@db/scout", True),
        ("postgresql://u:p/q@db/scout", True),
        ("postgresql://u:p?q@db/scout", True),
        ("postgresql://u:p#q@db/scout", True),
        ("postgresql://u:p@db/scout?options=a@b", True),
        ("://u:p@db", True),
        ("", True),
    ],
)
def test_a_url_whose_password_may_end_elsewhere_is_ambiguous(url, expected):
    assert is_ambiguous(url) is expected
