"""Reads a dataset as its reader: a login that can read this dataset schema and nothing else.

What a reader may not see is held by the login's roles, not by looking at the SQL: a session that
logged in as somebody else and then changed its role could change it back.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import Loader
from psycopg.types.datetime import (
    DateLoader,
    IntervalLoader,
    TimestampLoader,
    TimestamptzLoader,
)
from sqlalchemy import select

from scout_control.datasets import query_role
from scout_control.errors import ConflictError, ControlError, ServerError, SettingsError
from scout_control.rules import query_limits, session_settings
from scout_control.rules.statuses import DatasetStatus
from scout_control.store import audit, datasets, lookups
from scout_control.store.locks import alone, of_login
from scout_control.store.models import Dataset, ProjectSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg.abc import AdaptContext, Buffer
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Site

MOST_ROWS, MOST_BYTES = 1000, 64 * 1024 * 1024
ROWS_AT_ONCE = 100
LONGEST_SECONDS = 30.0
A_DAY = 24 * 3600.0
# Values that Postgres can hold and Python cannot: infinity, years before 1 and after 9999.
BEYOND_PYTHON = (
    ("date", DateLoader),
    ("timestamp", TimestampLoader),
    ("timestamptz", TimestamptzLoader),
    ("interval", IntervalLoader),
)


class QueryError(ControlError):
    """A query that the database refused, in its own words: whoever wrote it may read them."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a query found."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    truncated_by: str | None = None
    """The limit that it met, ``rows`` or ``bytes``, if there is more."""

    @property
    def is_truncated(self) -> bool:
        """Return whether there is more."""
        return self.truncated_by is not None


def query(
    site: Site,
    name: str,
    statement: str,
    *,
    most_rows: int = MOST_ROWS,
    most_bytes: int = MOST_BYTES,
    longest_seconds: float = LONGEST_SECONDS,
) -> Answer:
    """Ask a dataset one question, and remember that it is in use.

    Raises:
        NotFoundError: There is no such dataset.
        ConflictError: It holds no data now.
        SettingsError: A limit is not positive, or is longer than a day.
        QueryError: The database refused the question.
    """
    if min(most_rows, most_bytes) < 1 or not 0 < longest_seconds <= A_DAY:
        raise SettingsError(
            "A query has at least one row, one byte, and up to a day.",
            "Give other limits: --limit, --max-bytes, --timeout",
        )
    with site.store.begin() as session:
        dataset = lookups.dataset(session, name)
        check_data(dataset)
        datasets.touch(session, dataset.id, datetime.now(UTC))
        record(session, "queried", dataset, **_digest(statement))
    server_url = site.server_url_of(dataset)
    with (
        closing(login(site, dataset)) as connection,
        query_role.bounded(connection, server_url, longest_seconds + 1),
    ):
        return _ask(connection, statement, (most_rows, most_bytes), longest_seconds)


def record(session: Session, action: str, dataset: Dataset, **details: Any) -> None:
    """Record that a dataset is about to be read."""
    audit.record(session, action, "dataset", dataset.id, **audit.of_dataset(dataset), **details)


def _digest(statement: str) -> dict[str, Any]:
    """Return what the audit keeps of a statement, which may hold anything: nothing of its text."""
    raw = statement.encode(errors="surrogatepass")
    return {"sha256": hashlib.sha256(raw).hexdigest(), "letters": len(statement)}


def touch(site: Site, name: str) -> Dataset:
    """Remember that a dataset is in use.

    Raises:
        NotFoundError: There is no such dataset.
        ConflictError: Its data is gone already.
    """
    with site.store.begin() as session:
        dataset = lookups.dataset(session, name)
        if dataset.status == DatasetStatus.EXPIRED:
            raise _without_data(dataset)
        datasets.touch(session, dataset.id, datetime.now(UTC))
    return dataset


def check_data(dataset: Dataset) -> None:
    """Make sure that a dataset was loaded, and that its data is there still.

    Raises:
        ConflictError: It holds no data.
    """
    if dataset.last_sync_at is None or dataset.status == DatasetStatus.EXPIRED:
        raise _without_data(dataset)


def _without_data(dataset: Dataset) -> ConflictError:
    path = lookups.path(dataset)
    return ConflictError(
        f"{path} holds no data now (status: {dataset.status}).", f"Load it: scout run {quote(path)}"
    )


def search_path(site: Site, project_id: str, user_id: str | None) -> str:
    """Return what an owner reads unqualified names from: the project's schema, then their data.

    Raises:
        NotFoundError: There is no such project.
    """
    with site.store.begin() as session:
        project = lookups.project(session, project_id)
        owner: ColumnElement[bool] = Dataset.user_id.is_(None)
        if user_id is not None:
            owner = owner | (Dataset.user_id == user_id)
        found = session.scalars(
            select(Dataset.schema_name)
            .join(Dataset.project_source)
            .where(
                ProjectSource.project_id == project.id,
                owner,
                Dataset.status.in_((DatasetStatus.READY, DatasetStatus.SYNCING)),
                Dataset.last_sync_at.is_not(None),
            )
            .order_by(Dataset.created_at, Dataset.schema_name)
        ).all()
    schemas = dict.fromkeys([project.db_schema, *found])
    return ", ".join('"' + schema.replace('"', '""') + '"' for schema in schemas)


def _ask(
    connection: psycopg.Connection[Any],
    statement: str,
    most: tuple[int, int],
    longest_seconds: float,
) -> Answer:
    try:
        connection.execute(f"SET statement_timeout TO {int(longest_seconds * 1000)}".encode())
        connection.commit()
        connection.read_only = True
        for name, loader in BEYOND_PYTHON:
            connection.adapters.register_loader(name, _or_text(loader))
        return _fetch(connection, statement.encode().rstrip().rstrip(b";"), *most)
    except UnicodeEncodeError:
        raise QueryError("The query is not UTF-8.", "Correct it.") from None
    except (psycopg.errors.QueryCanceled, psycopg.errors.AdminShutdown):
        raise QueryError(
            f"The query took longer than {longest_seconds:g} seconds.",
            "Narrow it down, or give it more time.",
        ) from None
    except psycopg.Error as error:
        words = error.diag.message_primary or type(error).__name__
        raise QueryError(
            f"Postgres refused the query: {words}.", "Write one SELECT over this dataset."
        ) from None


def _fetch(
    connection: psycopg.Connection[Any], statement: bytes, most_rows: int, most_bytes: int
) -> Answer:
    with connection.cursor(binary=True) as cursor:  # by the protocol that takes one statement only
        cursor.execute(query_limits.described(statement))
        columns = [column.name for column in cursor.description or ()]
    rows: list[tuple[Any, ...]] = []
    with connection.cursor(name="answer") as cursor:
        cursor.execute(query_limits.bounded(statement, len(columns), most_bytes))
        while fetched := cursor.fetchmany(min(ROWS_AT_ONCE, most_rows + 1 - len(rows))):
            rows += [tuple(row) for total, *row in fetched if total <= most_bytes]
            if fetched[-1][0] > most_bytes:
                return Answer(columns=columns, rows=rows, truncated_by="bytes")
            if len(rows) > most_rows:
                return Answer(columns=columns, rows=rows[:most_rows], truncated_by="rows")
    return Answer(columns=columns, rows=rows)


def _or_text(loader: type[Loader]) -> type[Loader]:
    """Return a loader that gives back as text what the given one cannot load."""

    class OrText(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._loader = loader(oid, context)

        def load(self, data: Buffer) -> Any:
            """Return the value, or its text."""
            try:
                return self._loader.load(data)
            except (psycopg.DataError, OverflowError, NotImplementedError):  # the last: odd styles
                return bytes(data).decode()

    return OrText


def login(site: Site, dataset: Dataset) -> psycopg.Connection[Any]:
    """Log in as the dataset's reader, with a password that is good for this login only.

    Raises:
        SettingsError: The dataset was never loaded, or its data is gone.
        ServerError: The server does not answer, or lets no reader in.
    """
    return _login(site, dataset, session_settings.READER)


def login_for_control(site: Site, dataset: Dataset) -> psycopg.Connection[Any]:
    """Log in as the dataset's reader for what control itself wants to know of it.

    Raises:
        SettingsError: The dataset was never loaded, or its data is gone.
        ServerError: The server does not answer, or lets no reader in.
    """
    return _login(site, dataset, session_settings.INSPECTOR)


def _login(
    site: Site, dataset: Dataset, settings: Iterable[session_settings.Setting]
) -> psycopg.Connection[Any]:
    try:
        with alone(site.store, of_login(dataset.id)):
            return query_role.login(site.server_url_of(dataset), dataset.schema_name, settings)
    except psycopg.errors.UndefinedObject:
        raise SettingsError(
            f"{lookups.path(dataset)} has no reader role.",
            f"Load it: scout run {quote(lookups.path(dataset))}",
        ) from None
    except psycopg.Error as error:
        raise ServerError.of_postgres(error, error.sqlstate) from None
