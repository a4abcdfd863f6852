"""What is done with a query before and after Postgres: limits, values, digests, refusals."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import psycopg
import pytest
from scout_control.datasets import provision, query, schema_contents, use
from scout_control.datasets.provision import ProvisionedSchema
from scout_control.datasets.query import QueryResult
from scout_control.errors import (
    ConflictError,
    QueryError,
    QueryTimeoutError,
    ServerError,
    SettingsError,
)
from scout_control.store import models


def a_dataset(**values) -> models.Dataset:
    link = models.ProjectSource(project_id="river", source=models.Source(name="my hq"))
    return models.Dataset(project_source=link, schema_name="data_x", **values)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_rows": 0},
        {"max_rows": -1},
        {"max_bytes": 0},
        {"timeout_seconds": 0},
        {"timeout_seconds": -1.0},
        {"timeout_seconds": float("nan")},
        {"timeout_seconds": float("inf")},
        {"timeout_seconds": query.SECONDS_PER_DAY + 1},
    ],
    ids=str,
)
def test_a_query_without_a_usable_limit_is_refused_before_anything_is_opened(limits):
    with pytest.raises(SettingsError, match="Limits must be at least one row and one byte"):
        query.query(None, "river/hq", "SELECT 1", **limits)


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(30.0, 30_000), (0.25, 250), (0.0001, 1), (query.SECONDS_PER_DAY, 86_400_000)],
)
def test_a_short_limit_is_never_rounded_to_no_limit(seconds, milliseconds):
    assert query.statement_timeout(seconds) == b"SET statement_timeout TO %d" % milliseconds


@pytest.mark.parametrize(
    ("values", "has_data"),
    [
        ({"status": "ready", "last_sync_at": datetime.now(UTC)}, True),
        ({"status": "syncing", "last_sync_at": datetime.now(UTC)}, True),
        ({"status": "error", "last_sync_at": datetime.now(UTC)}, True),
        ({"status": "expired", "last_sync_at": datetime.now(UTC)}, False),
        ({"status": "pending"}, False),
        ({"status": "syncing"}, False),
        ({"status": "error"}, False),
    ],
)
def test_only_data_that_was_loaded_and_kept_is_read(values, has_data):
    if has_data:
        use.require_data(a_dataset(**values))
        return
    with pytest.raises(ConflictError) as refused:
        use.require_data(a_dataset(**values))
    assert f"(status: {values['status']})" in refused.value.cause
    assert refused.value.remedy == "Load it: scout run 'river/my hq'"


@pytest.mark.parametrize("statement", ["SELECT 'canary'", "", "नदी", "a\ud800b", "x" * 100_000])
def test_the_audit_trail_keeps_a_digest_of_a_statement(statement):
    found = query._statement_digest(statement)
    raw = statement.encode(errors="surrogatepass")

    assert found == {"sha256": hashlib.sha256(raw).hexdigest(), "letters": len(statement)}


@pytest.mark.parametrize(
    ("seconds", "is_session", "kind", "said"),
    [
        (30.0, False, QueryTimeoutError, "took longer than 30 s"),
        (31.5, True, QueryTimeoutError, "took longer than 30 s"),
        (2.0, False, QueryError, "was cancelled before its time limit of 30 s: by another session"),
        (2.0, True, QueryError, "The session of the query was ended before its time limit of 30 s"),
    ],
)
def test_a_query_that_someone_ended_is_not_said_to_have_taken_too_long(
    seconds, is_session, kind, said
):
    error = query.ended_error(seconds, 30.0, is_session=is_session)

    assert type(error) is kind
    assert said in error.cause


@pytest.mark.parametrize(
    ("truncated_by", "is_truncated"), [(None, False), ("rows", True), ("bytes", True)]
)
def test_an_answer_says_which_limit_cut_it(truncated_by, is_truncated):
    result = QueryResult(columns=["a"], types=["integer"], rows=[(1,)], truncated_by=truncated_by)

    assert result.is_truncated is is_truncated


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("document", "is_deep"),
    [
        (None, False),
        ("text", False),
        ([1] * 100_000, False),
        ({"a": {"b": ["c"]}}, False),
        (nested(schema_contents.MAX_DEPTH), False),
        (nested(schema_contents.MAX_DEPTH + 1), True),
        (nested(100_000), True),
        ({"a": {"b": nested(schema_contents.MAX_DEPTH)}}, True),
    ],
    ids=["null", "text", "wide", "ordinary", "at the limit", "beyond", "far beyond", "mixed"],
)
def test_a_document_beyond_a_depth_is_not_read(document, is_deep):
    assert schema_contents._is_deep(document) is is_deep


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (psycopg.errors.LockNotAvailable(), "Another session holds a lock there"),
        (psycopg.errors.InsufficientPrivilege(), "Grant the role of control CREATEROLE"),
        (psycopg.errors.DiskFull(), "out of disk, memory or connections"),
        (psycopg.errors.TooManyConnections(), "out of disk, memory or connections"),
        (psycopg.errors.UndefinedTable(), "Check the server's log"),
        (psycopg.OperationalError("canary"), "Check the server's log"),  # without a SQLSTATE
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_a_schema_that_cannot_be_provisioned_says_what_to_do(error, remedy):
    found = provision.provision_error(error, "data_x")

    assert type(found) is ServerError
    assert found.cause.startswith("Postgres could not provision data_x (")
    assert remedy in found.remedy
    assert "canary" not in str(found)


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("postgresql://scout:canary@db:5433/x", "postgresql://data_x_rw:p%40%2F%3A@db:5433/x"),
        (
            "postgresql://scout:canary@/x?host=%2Frun&password=canary&user=u&sslmode=require",
            "postgresql://data_x_rw:p%40%2F%3A@/x?host=%2Frun&sslmode=require",
        ),
        ("postgresql://[::1]/x", "postgresql://data_x_rw:p%40%2F%3A@[::1]/x"),
    ],
)
def test_a_writer_gets_the_servers_url_with_its_own_login_only(server, url):
    place = ProvisionedSchema(
        schema="data_x", owner="o", reader="data_x_ro", writer="data_x_rw", password="p@/:"
    )

    assert place.url(server) == url
    assert "p@/:" not in repr(place)
