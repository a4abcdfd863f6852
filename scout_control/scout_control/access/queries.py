"""Queries on datasets as their reader, and the history of them."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from scout_control.access.pages import LIMIT, Page, newest
from scout_control.api import queries as views
from scout_control.datasets import query
from scout_control.errors import ControlError
from scout_control.rules import statuses
from scout_control.store import lookups, requests, visibility
from scout_control.store.models import Dataset, ProjectSource, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

    from scout_control.access.authorization import Authorizer
    from scout_control.datasets.query import QueryResult
    from scout_control.store.visibility import Viewer

log = logging.getLogger(__name__)
LONGEST_STATEMENT = 100_000
"""In letters: what the history keeps of a text at most."""


@dataclass(frozen=True)
class Limits:
    """Upper limits of a query; the largest possible, too, since others use the installation."""

    max_rows: int = query.MAX_ROWS
    max_bytes: int = query.MAX_BYTES
    timeout_seconds: float = query.TIMEOUT_SECONDS


def execute(auth: Authorizer, dataset_id: str, statement: str, limits: Limits) -> QueryResult:
    """Execute a query on a dataset that the person may read, and record it in the history."""
    began_at = time.perf_counter()
    result, error = None, None
    try:
        result = auth.scout.datasets.query(
            dataset_id,
            statement,
            max_rows=min(limits.max_rows, query.MAX_ROWS),
            max_bytes=min(limits.max_bytes, query.MAX_BYTES),
            timeout_seconds=min(limits.timeout_seconds, query.TIMEOUT_SECONDS),
            person=auth.identity.person,
        )
    except ControlError as raised:
        error = raised
    passed = time.perf_counter() - began_at
    _record(auth, dataset_id, statement, passed, error or result)
    if result is None:
        raise error or AssertionError
    return result


def _record(
    auth: Authorizer,
    dataset_id: str,
    statement: str,
    seconds: float,
    outcome: QueryResult | ControlError | None,
) -> None:
    is_kept = auth.scout.installation.settings.query_text and "\0" not in statement
    row = Query(
        id=uuid.uuid4(),
        person_id=auth.identity.person,
        dataset_id=uuid.UUID(dataset_id),
        milliseconds=round(seconds * 1000),
        letters=len(statement),
        statement=statement[:LONGEST_STATEMENT] if is_kept else None,
    )
    if isinstance(outcome, ControlError):
        row.error_code = statuses.code(outcome)
    elif outcome is not None:
        row.row_count, row.is_truncated = len(outcome.rows), outcome.is_truncated
    try:
        with auth.scout.installation.store.begin() as session:
            requests.add_query(session, row)
    except ControlError as failure:  # the dataset or the person was removed meanwhile
        log.warning("query_not_recorded reason=%s", failure.reason)


@dataclass(frozen=True)
class Queries:
    """The history of queries: one's own, and of others as far as the table says."""

    _auth: Authorizer

    def list(
        self,
        *,
        person: str | None = None,
        dataset: str | None = None,
        after: str | None = None,
        limit: int = LIMIT,
    ) -> Page[views.Query]:
        """Return queries, the newest first; their text only of datasets that one may read.

        Raises:
            NotFoundError: There is no such dataset that the person may see.
        """
        with self._auth.reading() as (session, viewer):
            statement = _visible(viewer)
            if person is not None:
                statement = statement.where(Query.person_id == person)
            if dataset is not None:
                seen = visibility.datasets(viewer, "datasets.show")
                found = lookups.dataset(session, dataset, visible=seen)
                statement = statement.where(Query.dataset_id == found.id)
            rows: Sequence[Query]
            rows, following = newest(
                session,
                statement,
                (Query.at, Query.id),
                after=after,
                limit=limit,
                place=lambda each: (each.at, each.id),
            )
            readable = _readable(session, viewer, rows)
            found_views = [views.Query.of(each, may_read=each.id in readable) for each in rows]
            return Page(found_views, following)


def _visible(viewer: Viewer) -> Select[tuple[Query]]:
    joined = select(Query).join(Dataset, Dataset.id == Query.dataset_id)
    return joined.join(Dataset.project_source).where(visibility.queries(viewer, "queries.list"))


def _readable(session: Session, viewer: Viewer, rows: Sequence[Query]) -> set[uuid.UUID]:
    """Return the queries whose text the person may read: who may not read rows may not read it."""
    may_read: ColumnElement[bool] = visibility.datasets(viewer, "datasets.query")
    own = Query.person_id == viewer.person_id
    statement = select(Query.id).join(Dataset, Dataset.id == Query.dataset_id)
    joined = statement.join(ProjectSource, ProjectSource.id == Dataset.project_source_id)
    ids = [each.id for each in rows]
    return set(session.scalars(joined.where(Query.id.in_(ids), or_(own, may_read))))
