"""What the page of a project shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.serve import errors
from scout_control.serve.page.link_form import LinkForm
from scout_control.serve.page.rendering import page

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from fastapi import Request
    from starlette.responses import Response

    from scout_control.access.pages import Page
    from scout_control.api.audit import Event
    from scout_control.api.views import Connection, Link
    from scout_control.errors import ControlError
    from scout_control.serve.page.visits import Visit

    Row = Mapping[str, Any]

MOST, MOST_EVENTS = 500, 20
USER_MODE = "user"
SAVED = {
    "linked": "The source is linked. Connect its account and start syncing under Data sources.",
    "settings": "The settings are saved. They hold from the next sync on.",
    "kept": (
        "The settings are saved. Rows that are loaded already keep their values until the data is "
        "dropped and loaded again."
    ),
    "removed": "The source is no longer used here. Its data is not refreshed, and expires.",
    "member": "The members are changed.",
    "connection": "The database is changed.",
}


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """The settings of a link that could not be stored, and why."""

    source: str
    form: LinkForm
    error: ControlError


@dataclass(frozen=True, kw_only=True)
class LinkedSource:
    """A source that the project uses, and how its data fares."""

    link: Link
    label: str
    level: str
    """Whose account it is read with, and how far that is."""
    datasets: Sequence[Row]
    form: LinkForm


@dataclass(frozen=True, kw_only=True)
class News:
    """What has just happened to a project, and which of its events are shown."""

    saved: str = ""
    """What was changed: a key of ``SAVED``."""
    source: str = ""
    """The source that this is about."""
    before: str | None = None
    """The cursor of older events."""
    rejected: Rejected | None = None
    error: ControlError | None = None
    """Why something else than the settings of a link could not be done."""

    @property
    def status(self) -> int:
        """The status of HTTP."""
        failure = self.error or (self.rejected.error if self.rejected else None)
        return 200 if failure is None else errors.status(failure)


def show(request: Request, visit: Visit, project: str, news: News | None = None) -> Response:
    """Return the page of a project."""
    news = news or News()
    access, found = visit.access, visit.access.projects.show(project)
    links = access.links.list(found.id, limit=MOST).items
    members = access.members.list(found.id, limit=MOST).items
    may, connections = _may(visit, found.id), _connections(visit)
    linked = {each.source for each in links}
    linkable = _linkable(visit, linked) if may["link"] else ()
    return page(
        request,
        "project.html",
        visit=visit,
        status=news.status,
        project=found,
        may=may,
        members=members,
        sources=_sources(visit, found.id, links, len(members), is_admin=may["audit"]),
        rejected=news.rejected,
        linkable=linkable,
        connections=connections,
        database=next((each for each in connections if each.name == found.connection), None),
        events=_events(visit, found.id, news.before) if may["audit"] else None,
        is_older=news.before is not None,
        saved=SAVED.get(news.saved, ""),
        saved_source=news.source if news.source in {*linked, *linkable} else "",
        error=news.error,
    )


def _may(visit: Visit, project: str) -> dict[str, bool]:
    """Return what the person may change of a project: each operation on its very object.

    No name is that of a method of dictionaries: a template would find the method instead.
    """
    operations = (
        ("link", "links.add", None),
        ("member", "members.add", ""),
        ("role", "members.update", ""),
        ("remove", "members.remove", ""),
        ("leave", "members.remove", visit.person),
        ("move", "projects.update", None),
        ("audit", "audit.list", None),
    )
    may = visit.grants.may
    return {name: may(each, project=project, user=user) for name, each, user in operations}


def _sources(
    visit: Visit, project: str, links: Sequence[Link], members: int, *, is_admin: bool
) -> list[LinkedSource]:
    data = visit.access.status(project=project).synced_data
    types = {each.name: each.label for each in visit.access.sources.types()}
    return [_linked(types, each, members, data, is_admin=is_admin) for each in links]


def form_of(link: Link) -> LinkForm:
    """Return the form of a link as it is."""
    return LinkForm.of(link.credential_mode, link.refresh_interval_hours, link.sync_config)


def level(link: Link, members: int, data: Sequence[Row], *, is_admin: bool) -> str:
    """Return whose account a source is read with, and how that fares.

    Args:
        link: The link.
        members: How many the project has.
        data: The datasets of the link that the person may see.
        is_admin: Whether these are those of all members.
    """
    if link.credential_mode != USER_MODE:
        return "project-level"
    connected = sum(
        each["user"] is not None and each["agreed_at"] is not None and not each["needs_reconnect"]
        for each in data
    )
    if is_admin:
        return f"user-level, {connected} of {members} connected"
    return "user-level, you are connected" if connected else "user-level, you are not connected"


def _linked(
    types: Mapping[str, str], link: Link, members: int, data: Sequence[Row], *, is_admin: bool
) -> LinkedSource:
    theirs = [each for each in data if each["source"] == link.source]
    return LinkedSource(
        link=link,
        label=types.get(link.source_type, link.source_type),
        level=level(link, members, theirs, is_admin=is_admin),
        datasets=theirs,
        form=form_of(link),
    )


def _linkable(visit: Visit, linked: Collection[str]) -> Sequence[str]:
    seen = visit.access.sources.list(limit=MOST).items
    return [each.name for each in seen if each.name not in linked]


def _events(visit: Visit, project: str, before: str | None) -> Page[Event]:
    return visit.access.audit.list(project=project, after=before, limit=MOST_EVENTS)


def _connections(visit: Visit) -> Sequence[Connection]:
    if not visit.grants.may("connections.list"):
        return ()
    return visit.access.connections.list(limit=MOST).items
