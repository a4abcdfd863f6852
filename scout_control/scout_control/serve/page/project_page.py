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


def show(
    request: Request,
    visit: Visit,
    project: str,
    *,
    saved: str = "",
    saved_source: str = "",
    before: str | None = None,
    rejected: Rejected | None = None,
    error: ControlError | None = None,
) -> Response:
    """Return the page of a project.

    Args:
        request: What is answered.
        visit: Who looks.
        project: The id of the project.
        saved: What was just changed: a key of ``SAVED``.
        saved_source: The source that this is about.
        before: The cursor of older events.
        rejected: Settings that could not be stored.
        error: Why something else could not be done.
    """
    access, grants = visit.access, visit.grants
    found = access.projects.show(project)
    links = access.links.list(found.id, limit=MOST).items
    members = access.members.list(found.id, limit=MOST).items
    data = access.status(project=found.id).synced_data
    types = {each.name: each.label for each in access.sources.types()}
    may = {
        name: grants.may(operation, project=found.id, user=user)
        for name, operation, user in (
            ("link", "links.add", None),
            ("member", "members.add", ""),
            ("update", "projects.update", None),
            ("audit", "audit.list", None),
        )
    }
    connections = _connections(visit)
    linked = {each.source for each in links}
    linkable = _linkable(visit, linked) if may["link"] else ()
    failure = error or (rejected.error if rejected else None)
    return page(
        request,
        "project.html",
        visit=visit,
        status=200 if failure is None else errors.status(failure),
        project=found,
        may=may,
        members=members,
        sources=[
            _linked(types, each, len(members), data, is_admin=may["member"]) for each in links
        ],
        rejected=rejected,
        linkable=linkable,
        connections=connections,
        database=next((each for each in connections if each.name == found.connection), None),
        events=_events(visit, found.id, before) if may["audit"] else None,
        is_older=before is not None,
        saved=SAVED.get(saved, ""),
        saved_source=saved_source if saved_source in {*linked, *linkable} else "",
        error=error,
    )


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
