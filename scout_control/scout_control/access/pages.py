"""Pages of lists: bounded, and continued by a cursor."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import literal, tuple_

from scout_control.errors import SettingsError
from scout_control.rules import cursors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

Item = TypeVar("Item")
Row = TypeVar("Row")
LIMIT, MOST = 100, 500
LONGEST_POSITION = 18
"""In digits: positions are 64-bit numbers."""
LAST_POSITION = 2**63 - 1


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


def position_cursor(after: str | None) -> int:
    """Return the position before which a page of a list begins, whose end is its first item.

    Raises:
        SettingsError: No page had this cursor.
    """
    if after is None:
        return LAST_POSITION
    if not (after.isascii() and after.isdecimal() and len(after) <= LONGEST_POSITION):
        raise _invalid_cursor()
    return int(after)


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
    if isinstance(after, str) and not is_storable(after):
        raise _invalid_cursor()
    if after is not None:
        statement = statement.where(key > after)
    rows: Sequence[Row] = session.scalars(statement.order_by(key).limit(limit + 1)).all()
    more = len(rows) > limit
    return rows[:limit], cursor(rows[limit - 1]) if more else None


def is_storable(text: str) -> bool:
    """Return whether Postgres can store a text: without NUL, and in UTF-8."""
    try:
        return "\0" not in text and bool(text.encode() or True)
    except UnicodeEncodeError:
        return False


def newest(
    session: Session,
    statement: Select[Any],
    key: tuple[Any, Any],
    *,
    after: str | None,
    limit: int,
    place: Callable[[Row], tuple[datetime, uuid.UUID]],
) -> tuple[Sequence[Row], str | None]:
    """Return some rows, the newest first, and the cursor after them.

    Args:
        session: An open transaction.
        statement: Selects the rows.
        key: The columns of the time and the id.
        after: The cursor of the page before.
        limit: At most this many rows.
        place: Returns the time and the id of a row.
    """
    check_limit(limit)
    if after is not None:
        statement = statement.where(tuple_(*key) < _earlier(after))
    ordered = statement.order_by(*(column.desc() for column in key)).limit(limit + 1)
    rows: Sequence[Row] = session.scalars(ordered).all()
    more = len(rows) > limit
    return rows[:limit], cursors.compose(*place(rows[limit - 1])) if more else None


def _earlier(after: str) -> Any:
    try:
        at, identity = cursors.parse(after)
    except ValueError:
        raise _invalid_cursor() from None
    return tuple_(literal(at), literal(identity))


def cut(
    items: Sequence[Item], key: Callable[[Item], str], after: str | None, limit: int
) -> Page[Item]:
    """Return a page of a list that is in memory anyway, in the order of a unique key."""
    check_limit(limit)
    rest = [each for each in sorted(items, key=key) if after is None or key(each) > after]
    return Page(rest[:limit], key(rest[limit - 1]) if len(rest) > limit else None)
