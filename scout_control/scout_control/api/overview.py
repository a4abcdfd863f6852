"""The status of an installation: available sources, connected credentials, synced data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.api import views

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        data = self.datasets.list(project=project, user=user)
        return Status(
            available_sources=sources_of(self.sources.list(), self.sources.links(project), project),
            credentials=credentials_of(self.credentials.list(), project, user),
            synced_data=[each.as_dict() for each in data],
        )


def sources_of(
    sources: Iterable[views.Source], links: Iterable[views.Link], project: str | None
) -> list[dict[str, Any]]:
    """Return the sources of a project, or all, each with the projects that are linked to it."""
    projects: dict[str, list[str]] = {}
    for link in links:
        projects.setdefault(link.source, []).append(link.project)
    return [
        {**source.as_dict(), "projects": projects.get(source.name, [])}
        for source in sources
        if project is None or source.name in projects
    ]


def credentials_of(
    credentials: Iterable[views.Credential], project: str | None, user: str | None
) -> list[dict[str, Any]]:
    """Return the credentials of a project and of a user, or all if neither is given."""
    is_everything = project is None and user is None
    return [
        each.as_dict()
        for each in credentials
        if is_everything
        or (project is not None and each.project == project)
        or (user is not None and each.user == user)
    ]
