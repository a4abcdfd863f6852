"""Database errors as messages to people: mapped by SQLSTATE, never quoting Postgres."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors as postgres_errors
from scout_control.errors import (
    ConflictError,
    PrivilegeError,
    ServerError,
    ServerUnavailableError,
    SettingsError,
)
from scout_control.store import postgres, tls_errors
from scout_control.store.database import sqlalchemy_url, to_control_error
from scout_control.store.version import newer_store_error
from sqlalchemy.exc import DBAPIError

URL = "postgresql://u:canary@db.test:6000/scout"


def wrapped(error):
    return DBAPIError("INSERT canary", {"value": "canary"}, error)


@pytest.mark.parametrize(
    ("error", "kind", "cause"),
    [
        (postgres_errors.UniqueViolation, ConflictError, "already exists"),
        (postgres_errors.ForeignKeyViolation, ConflictError, "still used"),
        (postgres_errors.CheckViolation, SettingsError, "constraint"),
        (postgres_errors.NumericValueOutOfRange, SettingsError, "too long, out of range"),
        (psycopg.DataError, SettingsError, "too long, out of range"),
        (postgres_errors.UndefinedTable, SettingsError, "outdated"),
        (postgres_errors.InvalidSchemaName, SettingsError, "does not exist"),
        (postgres_errors.ReadOnlySqlTransaction, ServerError, "read-only"),
        (postgres_errors.LockNotAvailable, ConflictError, "lock"),
        (postgres_errors.InsufficientPrivilege, PrivilegeError, "privilege"),
        (postgres_errors.DiskFull, ServerError, "out of disk"),
        (psycopg.OperationalError, ServerUnavailableError, "does not answer, or rejects the login"),
        (postgres_errors.InternalError_, ServerError, "SQLSTATE XX000"),
    ],
)
def test_an_error_of_the_store_is_explained_without_its_text(error, kind, cause):
    found = to_control_error(wrapped(error("canary")))

    assert type(found) is kind
    assert cause in found.cause
    assert "canary" not in str(found)


def test_a_store_of_a_newer_release_asks_for_an_upgrade():
    assert "Upgrade scout" in newer_store_error("9999").remedy


@pytest.mark.parametrize("url", ["mysql://u@h/d", "postgresql://h:port/d", "nonsense", ""])
def test_what_is_not_a_url_of_postgres_is_a_wrong_setting(url):
    with pytest.raises(SettingsError, match="not a URL of Postgres"):
        sqlalchemy_url(url)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("server does not support SSL, but SSL was required", "has no TLS"),
        ('server certificate for "a" does not match host name "b"', "of another host"),
        ('root certificate file "/x" does not exist', "cannot be verified"),
        ("connection requires a valid client certificate", "requires a client certificate"),
        ("no pg_hba.conf entry for host, no encryption", "without TLS"),
        ("SSL error: certificate verify failed", "certificate that is not trusted"),
    ],
)
def test_a_failure_of_tls_is_named_with_its_server(message, cause):
    error = postgres.connection_error(psycopg.OperationalError(message), URL, "unused")

    assert error.cause.startswith("Postgres at db.test:6000/scout ")
    assert cause in error.cause
    assert error.remedy != "unused"


def test_any_other_failure_keeps_the_remedy_of_its_caller():
    assert tls_errors.explain(psycopg.OperationalError("connection refused")) is None
    error = postgres.unavailable("The server", psycopg.OperationalError("x"), "Start it.")

    assert (error.cause, error.remedy) == (
        "The server does not answer, or rejects the login.",
        "Start it.",
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://h:1/d", "postgresql://r%40:p%2F@h:1/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql://r%40:p%2F@h/d?sslmode=require"),
        ("postgresql:///d?host=/tmp&user=x&password=y", "postgresql://r%40:p%2F@/d?host=/tmp"),
    ],
)
def test_a_url_gets_another_role_wherever_the_first_one_is(url, expected):
    assert postgres.url_as_role(url, "r@", "p/") == expected
