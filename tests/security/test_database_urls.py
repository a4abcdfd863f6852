"""Messages show no part of a password of a database URL, whatever it contains."""

from __future__ import annotations

from typing import Any

import pytest
from scout_control.api import connections
from scout_control.errors import ControlError
from scout_control.rules import database_urls
from scout_control.store import connection_urls, postgres
from scout_control.store.database import Store
from support.urls import leaks, nasty

NASTY = nasty()


def told(action: Any) -> str:
    """Return the message of a failing action; any other end fails the test."""
    with pytest.raises(ControlError) as caught:
        action()
    return f"{caught.value} {caught.value.__cause__ or ''}"


def open_store(url: str) -> None:
    store = Store(url)
    try:
        with store.begin():
            pass
    finally:
        store.close()


@pytest.mark.parametrize("number", range(len(NASTY)))
def test_no_part_of_any_password_is_shown(number):
    password, url = NASTY[number]

    for action in (open_store, postgres.connect, connection_urls.parse, connections._test):
        if action is connection_urls.parse and not database_urls.is_ambiguous(url):
            continue  # a connection may be made of it
        assert leaks(password, told(lambda action=action: action(url))) == set(), action.__name__


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:987@654/x@127.0.0.1:1/db", "postgresql://u:a@b?host=x@127.0.0.1:1/db"],
)
def test_an_ambiguous_connection_url_is_rejected(url):
    assert database_urls.is_ambiguous(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@db.example.org:5433/x", "db.example.org:5433/x"),
        ("postgresql+psycopg://u@h", "h"),
        ("postgresql://u:secret@[2001:db8::1]:5433/x", "[2001:db8::1]:5433/x"),
        ("postgresql:///x?host=/run/postgresql", "the server of the given URL"),
        ("host=h password=secret", "the server of the given URL"),
    ],
)
def test_unambiguous_parts_of_a_url_are_shown(url, shown):
    assert database_urls.redacted(url) == shown
