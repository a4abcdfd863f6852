"""Conditions that select the rows of an owner: written once, since isolation depends on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.store.models import Credential, Dataset, SourceMetadata

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


def belongs_to(
    table: type[Credential | SourceMetadata], project_id: str | None, user_id: str | None
) -> ColumnElement[bool]:
    """Return the condition for rows of exactly this user, or else of exactly this project."""
    if user_id is not None:
        return table.user_id == user_id
    return (table.project_id == project_id) & table.user_id.is_(None)


def dataset_of(user_id: str | None) -> ColumnElement[bool]:
    """Return the condition for datasets of exactly this user, or else of a project itself."""
    return Dataset.user_id == user_id if user_id is not None else Dataset.user_id.is_(None)


def dataset_visible_to(user_id: str | None) -> ColumnElement[bool]:
    """Return the condition for datasets that a member of a project may see."""
    shared = dataset_of(None)
    return shared if user_id is None else shared | dataset_of(user_id)
