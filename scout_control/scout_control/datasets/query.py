"""Queries a dataset as its query role, which can read this dataset schema and nothing else.

The role's privileges enforce this, not an inspection of the SQL. The session logs in as the query
role, because one that logged in as another role and used SET ROLE could reset it.
"""

from __future__ import annotations

import functools
import hashlib
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import sql

from scout_control.datasets import person_login, query_failures, query_role, use
from scout_control.errors import (
    QueryError,
    QueryTimeoutError,
    ServerError,
    ServerUnavailableError,
    SettingsError,
)
from scout_control.rules import query_limits, session_settings
from scout_control.store import datasets, lookups
from scout_control.store.locks import exclusive, query_login_lock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scout_control.installation.installation import Installation
    from scout_control.store.models import Dataset

MAX_ROWS, MAX_BYTES = 1000, 64 * 1024 * 1024
FETCH_SIZE = 100
TIMEOUT_SECONDS = 30.0
SECONDS_PER_DAY = 24 * 3600.0
TYPE_NAMES = """
    SELECT pg_catalog.format_type(oid, modifier)
      FROM ROWS FROM (pg_catalog.unnest(%s::oid[]), pg_catalog.unnest(%s::int[]))
           WITH ORDINALITY AS described (oid, modifier, position)
     ORDER BY position
"""
CUT = "-- cut"
# A loop over a dynamic query is a cursor, which takes a single statement.
EXPLAIN_BODY = sql.SQL("""
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE {plan} LOOP
        IF pg_catalog.octet_length(plan) + pg_catalog.octet_length(line) > {max_bytes} THEN
            plan := plan || '-- cut' || pg_catalog.chr(10);
            EXIT;
        END IF;
        plan := plan || line || pg_catalog.chr(10);
    END LOOP;
    PERFORM pg_catalog.set_config('scout.plan', pg_catalog.rtrim(plan, pg_catalog.chr(10)), true);
END
""")


@dataclass(frozen=True, kw_only=True)
class QueryResult:
    """Columns and rows of a query."""

    columns: list[str]
    types: list[str]
    """The types of the columns, as Postgres writes them: ``numeric(10,2)``."""
    rows: list[tuple[Any, ...]]
    truncated_by: Literal["rows", "bytes"] | None = None
    """The limit that cut the result, ``rows`` or ``bytes``, if any."""

    @property
    def is_truncated(self) -> bool:
        """Whether a limit cut the result."""
        return self.truncated_by is not None


def query(
    installation: Installation,
    name: str,
    statement: str,
    *,
    max_rows: int = MAX_ROWS,
    max_bytes: int = MAX_BYTES,
    timeout_seconds: float = TIMEOUT_SECONDS,
    person: str | None = None,
) -> QueryResult:
    """Execute a query on a dataset and record that the dataset is in use.

    Args:
        installation: The installation.
        name: The dataset.
        statement: The query.
        max_rows: Limit on the rows.
        max_bytes: Limit on the size of the result as text.
        timeout_seconds: Limit on its duration.
        person: Who asks, for whom it runs as their own role; the query role by default.

    Raises:
        NotFoundError: No such dataset exists.
        ConflictError: It holds no data now.
        SettingsError: A limit is not positive, or the timeout exceeds a day.
        QueryError: The query failed.
    """
    if min(max_rows, max_bytes) < 1 or not 0 < timeout_seconds <= SECONDS_PER_DAY:
        raise SettingsError(
            "Limits must be at least one row and one byte, and the timeout at most a day.",
            "Change --limit, --max-bytes or --timeout.",
        )
    with installation.store.begin() as session:
        dataset = lookups.dataset(session, name)
        use.require_data(dataset)
        datasets.touch(session, dataset.id, datetime.now(UTC))
        use.record(session, "queried", dataset, **_statement_digest(statement))
    server_url = installation.server_url_of(dataset)
    with (
        closing(connect_as_reader(installation, dataset, person)) as connection,
        query_role.time_limit(connection, server_url, timeout_seconds + 1),
    ):
        return _execute(connection, dataset, statement, (max_rows, max_bytes), timeout_seconds)


def _statement_digest(statement: str) -> dict[str, Any]:
    """Return what the audit trail stores of a statement: not its text, which may hold anything."""
    raw = statement.encode(errors="surrogatepass")
    return {"sha256": hashlib.sha256(raw).hexdigest(), "letters": len(statement)}


def statement_timeout(seconds: float) -> bytes:
    """Return the statement that sets a time limit: at least 1 ms, since 0 means none."""
    return b"SET statement_timeout TO %d" % max(1, int(seconds * 1000))


def _execute(
    connection: psycopg.Connection[Any],
    dataset: Dataset,
    statement: str,
    limits: tuple[int, int],
    timeout_seconds: float,
) -> QueryResult:
    began_at = time.monotonic()
    try:
        connection.execute(statement_timeout(timeout_seconds))
        connection.commit()
        connection.read_only = True
        encoded = statement.encode().rstrip().rstrip(b";")
        if plan := query_limits.explain_query(encoded):
            return _explain(connection, plan, *limits)
        return _fetch(connection, encoded, *limits)
    except UnicodeEncodeError:
        raise QueryError("The query is not valid UTF-8.", "Correct its encoding.") from None
    except (psycopg.errors.QueryCanceled, psycopg.errors.AdminShutdown) as error:
        is_shutdown = isinstance(error, psycopg.errors.AdminShutdown)
        passed = time.monotonic() - began_at
        raise ended_error(passed, timeout_seconds, is_session=is_shutdown) from None
    except psycopg.Error as error:
        path, schema = lookups.path(dataset), dataset.schema_name
        raise QueryError(
            *query_failures.explained(connection, error, statement, path, schema)
        ) from None


def ended_error(seconds: float, timeout_seconds: float, *, is_session: bool) -> QueryError:
    """Return the error for a query that was ended: by its time limit, or by someone.

    Postgres has one code for both, and messages in the language of the server.

    Args:
        seconds: How long it took.
        timeout_seconds: How long it might take.
        is_session: Whether its session was ended, too.
    """
    if seconds >= timeout_seconds:
        return QueryTimeoutError(
            f"The query took longer than {timeout_seconds:g} s.",
            "Narrow the query, or raise --timeout.",
        )
    cause = f"The query was cancelled before its time limit of {timeout_seconds:g} s"
    who = "by another session of its role, by an administrator, or by a timeout that it set itself"
    if is_session:
        cause = f"The session of the query was ended before its time limit of {timeout_seconds:g} s"
        who = "by another session of its role, by an administrator, or because the server stops"
    return QueryError(f"{cause}: {who}.", "Try again.")


def _fetch(
    connection: psycopg.Connection[Any], statement: bytes, max_rows: int, max_bytes: int
) -> QueryResult:
    # The extended protocol, which binary results need, accepts a single statement only.
    with connection.cursor(binary=True) as cursor:
        cursor.execute(query_limits.columns_query(statement))
        described = cursor.description or []
        columns = [column.name for column in described]
        modifiers = [cursor.pgresult.fmod(index) for index in range(len(columns))]  # type: ignore[union-attr]  # executed
    types = _type_names(connection, [column.type_code for column in described], modifiers)
    result = functools.partial(QueryResult, columns=columns, types=types)
    rows: list[tuple[Any, ...]] = []
    with connection.cursor(name="answer") as cursor:
        cursor.execute(query_limits.limited_query(statement, len(columns), max_bytes))
        while fetched := cursor.fetchmany(min(FETCH_SIZE, max_rows + 1 - len(rows))):
            rows += [tuple(row) for total, *row in fetched if total <= max_bytes]
            if fetched[-1][0] > max_bytes:
                return result(rows=rows, truncated_by="bytes")
            if len(rows) > max_rows:
                return result(rows=rows[:max_rows], truncated_by="rows")
    return result(rows=rows)


def _type_names(
    connection: psycopg.Connection[Any], oids: list[int], modifiers: list[int]
) -> list[str]:
    found = connection.execute(TYPE_NAMES, (oids, modifiers)).fetchall()
    return [name for (name,) in found]


def _explain(
    connection: psycopg.Connection[Any], plan: bytes, max_rows: int, max_bytes: int
) -> QueryResult:
    """Return a plan. The server cuts it: a constant in it may be of any size."""
    body = EXPLAIN_BODY.format(plan=sql.Literal(plan.decode()), max_bytes=sql.Literal(max_bytes))
    connection.execute(sql.SQL("DO {}").format(sql.Literal(body.as_string(connection))))
    row = connection.execute("SELECT pg_catalog.current_setting('scout.plan')").fetchone()
    lines = row[0].split("\n") if row else []
    is_cut = lines[-1:] == [CUT]
    kept = [(line,) for line in (lines[:-1] if is_cut else lines)]
    limit: Literal["rows", "bytes"] | None
    limit = "bytes" if is_cut else "rows" if len(kept) > max_rows else None
    return QueryResult(
        columns=["QUERY PLAN"], types=["text"], rows=kept[:max_rows], truncated_by=limit
    )


def connect_as_reader(
    installation: Installation, dataset: Dataset, person: str | None = None
) -> psycopg.Connection[Any]:
    """Open a session for a query: as the role of a person, else as the query role.

    Raises:
        SettingsError: The dataset has no roles: it was never loaded, or its data has expired.
        ServerError: The server does not answer, or rejects the login.
    """
    if person is not None:
        return person_login.connect(installation, dataset, person)
    return _connect(installation, dataset, session_settings.READER)


def connect_as_inspector(installation: Installation, dataset: Dataset) -> psycopg.Connection[Any]:
    """Open a session of the query role for control itself.

    Raises:
        SettingsError: The dataset has no roles: it was never loaded, or its data has expired.
        ServerError: The server does not answer, or rejects the login.
    """
    return _connect(installation, dataset, session_settings.INSPECTOR)


def _connect(
    installation: Installation, dataset: Dataset, settings: Iterable[session_settings.Setting]
) -> psycopg.Connection[Any]:
    try:
        with exclusive(installation.store, query_login_lock(dataset.id)):
            return query_role.connect_as_query_role(
                installation.server_url_of(dataset), dataset.schema_name, settings
            )
    except psycopg.errors.UndefinedObject:
        raise use.no_role_error(dataset) from None
    except psycopg.OperationalError as error:  # it does not answer, or has no connection left
        raise ServerUnavailableError.of_postgres(error, error.sqlstate) from None
    except psycopg.Error as error:
        raise ServerError.of_postgres(error, error.sqlstate) from None
