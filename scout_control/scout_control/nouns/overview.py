"""The three questions of everybody: what can I connect, what is connected, what data is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.nouns import views

if TYPE_CHECKING:
    from scout_control.api import Scout


@dataclass(frozen=True, kw_only=True)
class Status(views.View):
    """Available sources, connected accounts, synced data."""

    available_sources: list[dict[str, Any]]
    connections: list[dict[str, Any]]
    synced_data: list[dict[str, Any]]


def status(scout: Scout, *, project: str | None, user: str | None) -> Status:
    """Return what there is for a project, a user, or everybody."""
    links = scout.sources.links(project)
    linked = {link.source for link in links}
    sources = [
        {
            **source.as_dict(),
            "projects": [link.project for link in links if link.source == source.name],
        }
        for source in scout.sources.list()
        if project is None or source.name in linked
    ]
    logins = scout.credentials.list()
    mine = [
        login.as_dict()
        for login in logins
        if (project is None and user is None)
        or (project is not None and login.project == project)
        or (user is not None and login.user == user)
    ]
    data = [dataset.as_dict() for dataset in scout.datasets.list(project=project, user=user)]
    return Status(available_sources=sources, connections=mine, synced_data=data)
