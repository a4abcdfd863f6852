"""Datasets whose source is no longer linked to their project: what they hold, and what to do. Pure.

They are no longer read; their data is there until it expires, or until a person drops it.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from scout_control.rules.statuses import DatasetStatus

if TYPE_CHECKING:
    from datetime import datetime


def holds_data(status: str, last_sync_at: datetime | None, sync_error: str | None) -> bool:
    """Return whether a dataset has data, or has begun to load or to drop some."""
    is_new = status == DatasetStatus.PENDING and last_sync_at is None
    is_dropped = status == DatasetStatus.EXPIRED and sync_error is None
    return not is_new and not is_dropped


def link_command(project: str, source: str) -> str:
    """Return the command that links a source again, with the settings that its link had."""
    return f"scout links add {quote(source)} --project {quote(project)}"


def drop_command(project: str, source: str) -> str:
    """Return the command that removes a link with its data, also after it was unlinked."""
    return f"scout links remove {quote(source)} --drop --project {quote(project)}"


def kept(until: datetime | None) -> str:
    """Return until when data is kept that expires then, or never."""
    return f"until {until:%Y-%m-%d %H:%MZ} unless it is used" if until else "forever"


def choices(project: str, source: str) -> str:
    """Return what a person may do about data that is no longer read."""
    return (
        f"Link it again: {link_command(project, source)}; "
        f"or drop the data: {drop_command(project, source)}"
    )


def reason(project: str, source: str, until: datetime | None) -> str:
    """Return why a dataset with data is not fine, and what to do."""
    return (
        f"Unlinked: it is no longer read, and its data is kept {kept(until)}. "
        f"{choices(project, source)}"
    )
