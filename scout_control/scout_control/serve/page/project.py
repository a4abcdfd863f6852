"""``/projects/``: a project's sources, members, database and audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from scout_control.rules.wording import counted
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visitor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_control.api.people_views import Member
    from scout_control.api.views import Link

router = APIRouter(include_in_schema=False)
Key = Annotated[str, Path(max_length=500)]
MOST, MOST_EVENTS = 500, 30
USER_MODE = "user"


@dataclass(frozen=True, kw_only=True)
class LinkedSource:
    """A source that the project uses, and how its data fares."""

    link: Link
    level: str
    """Whose account it is read with, and how far that is."""
    datasets: Sequence[Mapping[str, Any]]


@router.get("/projects/")
def show_all(request: Request, visit: Visitor) -> Response:
    """Show the projects of the person."""
    projects = visit.access.projects.list(limit=MOST).items
    mine = visit.access.people.me().projects
    return page(request, "projects.html", visit=visit, projects=projects, mine=mine)


@router.get("/projects/{project}/")
def show(request: Request, visit: Visitor, project: Key) -> Response:
    """Show a project."""
    access = visit.access
    found = access.projects.show(project)
    members = access.members.list(found.id, limit=MOST).items
    data = access.status(project=found.id).synced_data
    links = access.links.list(found.id, limit=MOST).items
    may_audit = access.may("audit.list", project=found.id)
    return page(
        request,
        "project.html",
        visit=visit,
        project=found,
        members=members,
        sources=[_linked(each, members, data) for each in links],
        may_add=access.may("members.add", project=found.id, user=""),
        events=access.audit.list(project=found.id, limit=MOST_EVENTS).items if may_audit else None,
    )


@router.post("/projects/{project}/members/")
def add_member(visit: Visitor, project: Key) -> Response:
    """Add a member."""
    form = visit.form
    visit.access.members.add(project, form.get("person", "").strip(), role=form.get("role", ""))
    return RedirectResponse(f"/projects/{project}/", status_code=303)


@router.post("/projects/{project}/members/remove/")
def remove_member(visit: Visitor, project: Key) -> Response:
    """Remove a member, and with the membership the consent to read with their account."""
    visit.access.members.remove(project, visit.form.get("person", ""))
    return RedirectResponse("/projects/", status_code=303)


def _linked(
    link: Link, members: Sequence[Member], data: Sequence[Mapping[str, Any]]
) -> LinkedSource:
    found = [each for each in data if each["source"] == link.source]
    if link.credential_mode != USER_MODE:
        level = "Project-level account"
    else:
        agreed = sum(each["agreed_at"] is not None for each in found if each["user"])
        level = f"User-level accounts, {agreed} of {counted(len(members), 'member')} sync it"
    return LinkedSource(link=link, level=level, datasets=found)
