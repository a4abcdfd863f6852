"""Pages of lists: bounded, and continued by a cursor."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from scout_control.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

Item = TypeVar("Item")
Row = TypeVar("Row")
LIMIT, MOST = 100, 500


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some items of a list."""

    items: list[Item]
    next: str | None
    """The cursor of the next page: what to give as ``after``; None on the last one."""


def check_limit(limit: int) -> int:
    """Return a limit.

    Raises:
        SettingsError: It is not between 1 and ``MOST``.
    """
    if not 1 <= limit <= MOST:
        raise SettingsError(
            f"The limit {limit} is not possible.", f"Choose one between 1 and {MOST}."
        )
    return limit


def uuid_cursor(after: str | None) -> uuid.UUID | None:
    """Return the cursor of a list that is in the order of ids.

    Raises:
        SettingsError: No page had this cursor.
    """
    try:
        return None if after is None else uuid.UUID(after)
    except ValueError:
        raise _invalid_cursor() from None


def _invalid_cursor() -> SettingsError:
    return SettingsError("The cursor is invalid.", "Give what the page before had as next.")


def page(
    session: Session,
    statement: Select[Any],
    key: Any,
    *,
    after: str | uuid.UUID | None,
    limit: int,
    cursor: Callable[[Row], str],
) -> tuple[Sequence[Row], str | None]:
    """Return some rows in the order of a key, which is unique, and the cursor after them."""
    check_limit(limit)
    if isinstance(after, str) and "\0" in after:  # Postgres has no such text
        raise _invalid_cursor()
    if after is not None:
        statement = statement.where(key > after)
    rows: Sequence[Row] = session.scalars(statement.order_by(key).limit(limit + 1)).all()
    more = len(rows) > limit
    return rows[:limit], cursor(rows[limit - 1]) if more else None
