"""What a query of a person returned, or why it did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_control.errors import ControlError, ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from scout_control.access.access import Access
    from scout_control.datasets.query import QueryResult

MOST_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a query returned, or why it did not."""

    result: QueryResult | None = None
    error: ControlError | None = None


def ask(access: Access, dataset: str, sql: str, rows: int) -> Answer:
    """Run one SQL statement as the reader of a dataset.

    Raises:
        ForbiddenError: The person may not read it.
        NotFoundError: There is no such dataset for them.
    """
    try:
        found = access.datasets.query(dataset, sql, max_rows=rows, max_bytes=MOST_BYTES)
    except (ForbiddenError, NotFoundError):
        raise
    except ControlError as error:
        return Answer(error=error)
    return Answer(result=found)
