"""What Postgres refuses because of the data, and the search for the rows that it refuses.

Anything else that fails, a full disk, a lost connection, a cancelled statement, is not the data's
fault and ends the run. Knows no streams.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import psycopg2

# Data exceptions, limits, and what constraints that others have added do not allow.
OF_THE_DATA = ("22", "54", "23502", "23503", "23505", "23514", "23P01")
# Whether these are met depends on other rows, which may come later in the same batch.
OF_OTHER_ROWS = ("23503", "23505", "23P01")

# A column stays as it is when a view, a rule or a policy holds it, or when its values, its default,
# a constraint or an index do not go along with another type.
UNWIDENED = (
    psycopg2.errors.FeatureNotSupported,
    psycopg2.errors.DatatypeMismatch,
    psycopg2.errors.UndefinedFunction,
    psycopg2.errors.InvalidObjectDefinition,
    psycopg2.errors.InvalidTableDefinition,
    psycopg2.DataError,
    psycopg2.IntegrityError,
)


class Refused(NamedTuple):
    """The number of a row that Postgres refuses, and why."""

    number: int
    error: psycopg2.Error


def is_refusal(error: psycopg2.Error) -> bool:
    """Return whether Postgres refuses the data, as opposed to being in trouble itself."""
    return (error.pgcode or "").startswith(OF_THE_DATA)


def refused_of(numbers: range, attempt: Callable[[range], None]) -> list[Refused]:
    """Do something with all rows but those that Postgres refuses, which are returned.

    Args:
        numbers: The numbers of the rows.
        attempt: Does it with some of them, and undoes it when it fails.
    """
    found = _divided(numbers, attempt)
    while waiting := [one for one in found if one.error.pgcode in OF_OTHER_ROWS]:
        again = [
            one for number, _ in waiting for one in _divided(range(number, number + 1), attempt)
        ]
        found = [one for one in found if one.error.pgcode not in OF_OTHER_ROWS] + again
        if len(again) == len(waiting):
            break
    return sorted(found, key=lambda one: one.number)


def _divided(numbers: range, attempt: Callable[[range], None]) -> list[Refused]:
    try:
        attempt(numbers)
    except psycopg2.Error as error:
        if not is_refusal(error):
            raise
        if len(numbers) == 1:
            return [Refused(numbers[0], error)]
        middle = len(numbers) // 2
        return _divided(numbers[:middle], attempt) + _divided(numbers[middle:], attempt)
    return []


def reason(error: psycopg2.Error) -> str:
    """Say what a row breaks, by names and never by values."""
    name = error.diag.constraint_name or error.diag.column_name
    where = f", {name}" if name else ""
    return f"Postgres cannot store it (SQLSTATE {error.pgcode}{where})"
