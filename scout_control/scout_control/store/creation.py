"""Inserts objects that people name; one whose name is taken is named in the error."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from scout_control.errors import ConflictError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from scout_control.store.models import Connection, Project, Source

UNIQUE_VIOLATION = "23505"


def insert(session: Session, row: Connection | Project | Source, kind: str, name: str) -> None:
    """Insert the row of an object.

    Raises:
        ConflictError: Another one has its name, also if that was made at the same time.
    """
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != UNIQUE_VIOLATION:
            raise
        raise taken_error(kind, name) from None


def taken_error(kind: str, name: str) -> ConflictError:
    """Return the error for a name that is taken; ``kind`` is the noun of its commands."""
    return ConflictError(
        f"The {kind} {name} already exists.",
        f"Choose another name, or change the existing one: scout {kind}s update {quote(name)}",
    )
