"""The history of queries that people made through other surfaces than the shell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from scout_control.api.view import View
from scout_control.store import lookups, models

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation


@dataclass(frozen=True, kw_only=True)
class Query(View):
    """A query: who asked which dataset, and how it went; never its rows."""

    id: str
    person: str
    dataset: str
    at: datetime
    timing_ms: int
    row_count: int | None
    """None if it failed."""
    truncated: bool
    error_code: str | None
    letters: int
    """The length of its text."""
    sql: str | None
    """Its text, if the installation keeps it (``SCOUT_QUERY_TEXT``)."""

    @classmethod
    def of(cls, row: models.Query, *, may_read: bool) -> Query:
        """Return the view of a stored query; its text for who may read the dataset."""
        return cls(
            id=str(row.id),
            person=row.person_id,
            dataset=lookups.path(row.dataset),
            at=row.at,
            timing_ms=row.milliseconds,
            row_count=row.row_count,
            truncated=row.is_truncated,
            error_code=row.error_code,
            letters=row.letters,
            sql=row.statement if may_read else None,
        )


@dataclass(frozen=True)
class Queries:
    """What people have queried; at the shell, the audit trail has the digests of queries."""

    _installation: Installation

    def list(
        self, *, person: str | None = None, dataset: str | None = None, limit: int = 100
    ) -> Sequence[Query]:
        """Return the latest queries, of a person or on a dataset, newest first.

        Raises:
            NotFoundError: The dataset does not exist.
        """
        statement = select(models.Query)
        with self._installation.store.begin() as session:
            if person is not None:
                statement = statement.where(models.Query.person_id == person)
            if dataset is not None:
                found = lookups.dataset(session, dataset)
                statement = statement.where(models.Query.dataset_id == found.id)
            latest = statement.order_by(models.Query.at.desc(), models.Query.id.desc())
            rows = session.scalars(latest.limit(limit))
            return [Query.of(row, may_read=True) for row in rows]
