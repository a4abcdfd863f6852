"""Distinguishes errors caused by data from all others, and finds the rows that cause them.

Anything else that fails (a full disk, a lost connection, a cancelled statement) ends the run.
Independent of streams.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import psycopg2

# SQLSTATEs that the data causes: data exceptions, limits, and constraints that others have added.
DATA_ERRORS = ("22", "54", "23502", "23503", "23505", "23514", "23P01")
# Whether these are satisfied depends on other rows, which may come later in the same batch.
DEPENDS_ON_OTHER_ROWS = ("23503", "23505", "23P01")

# What ALTER COLUMN TYPE raises when the column must stay as it is: a view, a rule or a policy uses
# it, or its values, its default, a constraint or an index do not allow the other type.
CANNOT_WIDEN = (
    psycopg2.errors.FeatureNotSupported,
    psycopg2.errors.DatatypeMismatch,
    psycopg2.errors.UndefinedFunction,
    psycopg2.errors.InvalidObjectDefinition,
    psycopg2.errors.InvalidTableDefinition,
    psycopg2.DataError,
    psycopg2.IntegrityError,
)


class RejectedRow(NamedTuple):
    """The number of a row that Postgres rejects, and the error."""

    number: int
    error: psycopg2.Error


def is_data_error(error: psycopg2.Error) -> bool:
    """Return whether data caused the error, and not the server or the connection."""
    return (error.pgcode or "").startswith(DATA_ERRORS)


def find_rejected(numbers: range, attempt: Callable[[range], None]) -> list[RejectedRow]:
    """Apply something to all rows except those that Postgres rejects; return these.

    The rows are bisected, so that a batch without rejected rows costs one attempt.

    Args:
        numbers: The numbers of the rows.
        attempt: Applies it to some of them, and undoes it when it fails.
    """
    rejected = _bisect(numbers, attempt)
    # A row may refer to a later one: try again until nothing changes.
    while waiting := [row for row in rejected if row.error.pgcode in DEPENDS_ON_OTHER_ROWS]:
        again = [
            row for number, _ in waiting for row in _bisect(range(number, number + 1), attempt)
        ]
        rejected = [row for row in rejected if row.error.pgcode not in DEPENDS_ON_OTHER_ROWS]
        rejected += again
        if len(again) == len(waiting):
            break
    return sorted(rejected, key=lambda row: row.number)


def _bisect(numbers: range, attempt: Callable[[range], None]) -> list[RejectedRow]:
    try:
        attempt(numbers)
    except psycopg2.Error as error:
        if not is_data_error(error):
            raise
        if len(numbers) == 1:
            return [RejectedRow(numbers[0], error)]
        middle = len(numbers) // 2
        return _bisect(numbers[:middle], attempt) + _bisect(numbers[middle:], attempt)
    return []


def rejection_reason(error: psycopg2.Error) -> str:
    """Return what a row violates, by names and never by values."""
    name = error.diag.constraint_name or error.diag.column_name
    where = f", {name}" if name else ""
    return f"Postgres cannot store it (SQLSTATE {error.pgcode}{where})"
