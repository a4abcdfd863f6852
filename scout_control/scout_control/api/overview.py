"""The three questions of everybody: what can I connect, what is connected, what data is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.api import views

if TYPE_CHECKING:
    from scout_control.api.credentials import Credentials
    from scout_control.api.datasets import Datasets
    from scout_control.api.sources import Sources


@dataclass(frozen=True, kw_only=True)
class Status(views.View):
    """Available sources, connected accounts, synced data."""

    available_sources: list[dict[str, Any]]
    connections: list[dict[str, Any]]
    synced_data: list[dict[str, Any]]


@dataclass(frozen=True)
class Overview:
    """Answers all three."""

    sources: Sources
    credentials: Credentials
    datasets: Datasets

    def status(self, *, project: str | None, user: str | None) -> Status:
        """Return what there is for a project, a user, or everybody."""
        links = self.sources.links(project)
        linked = {link.source for link in links}
        sources = [
            {
                **source.as_dict(),
                "projects": [link.project for link in links if link.source == source.name],
            }
            for source in self.sources.list()
            if project is None or source.name in linked
        ]
        logins = [
            login.as_dict()
            for login in self.credentials.list()
            if (project is None and user is None)
            or (project is not None and login.project == project)
            or (user is not None and login.user == user)
        ]
        data = [each.as_dict() for each in self.datasets.list(project=project, user=user)]
        return Status(available_sources=sources, connections=logins, synced_data=data)
