"""The status of an installation: available sources, connected credentials, synced data."""

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
    """Available sources, credentials and synced data."""

    available_sources: list[dict[str, Any]]
    credentials: list[dict[str, Any]]
    synced_data: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON representation; ``connections`` repeats ``credentials``.

        Earlier versions had the credentials under ``connections``.
        """
        document = super().as_dict()
        return {**document, "connections": document["credentials"]}


@dataclass(frozen=True)
class Overview:
    """Collects the status from the parts of the interface."""

    sources: Sources
    credentials: Credentials
    datasets: Datasets

    def status(self, *, project: str | None, user: str | None) -> Status:
        """Return the status of a project, of a user, or of everything."""
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
        credentials = [
            credential.as_dict()
            for credential in self.credentials.list()
            if (project is None and user is None)
            or (project is not None and credential.project == project)
            or (user is not None and credential.user == user)
        ]
        data = [each.as_dict() for each in self.datasets.list(project=project, user=user)]
        return Status(available_sources=sources, credentials=credentials, synced_data=data)
