"""``/projects/``: the projects of a person, and one with its sources, members, database, events."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from scout_control.errors import ControlError, ForbiddenError
from scout_control.serve.page import overview, project_page
from scout_control.serve.page.project_page import News
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visitor

router = APIRouter(include_in_schema=False)
Key = Annotated[str, Path(max_length=500)]
Name = Annotated[str, Query(max_length=500)]
MOST = 500


@router.get("/projects/")
def show_all(request: Request, visit: Visitor) -> Response:
    """Show the projects of the person."""
    projects = visit.access.projects.list(limit=MOST).items
    mine = {project: str(role) for project, role in visit.grants.projects.items()}
    joinable = overview.joinable(visit.grants, projects)
    return page(
        request, "projects.html", visit=visit, projects=projects, mine=mine, joinable=joinable
    )


@router.get("/projects/{project}/")
def show(
    request: Request,
    visit: Visitor,
    project: Key,
    saved: Name = "",
    source: Name = "",
    before: Name = "",
) -> Response:
    """Show a project; after a change with a note of it, and with `before`, older events."""
    news = News(saved=saved, source=source, before=before or None)
    return project_page.show(request, visit, project, news)


@router.post("/projects/{project}/members/")
def add_member(request: Request, visit: Visitor, project: Key) -> Response:
    """Add a member."""
    form, members = visit.form, visit.access.members
    person = form.get("person", "").strip()
    try:
        members.add(project, person, role=form.get("role", ""))
    except ForbiddenError:
        raise
    except ControlError as error:
        visit.access.projects.show(project)  # one that they may not see is not found
        return project_page.show(request, visit, project, News(error=error))
    return _back(project, "member")


@router.post("/projects/{project}/members/role/")
def change_role(visit: Visitor, project: Key) -> Response:
    """Change what a member is."""
    form, members = visit.form, visit.access.members
    members.update(project, form.get("person", ""), role=form.get("role", ""))
    return _back(project, "member")


@router.post("/projects/{project}/members/remove/")
def remove_member(visit: Visitor, project: Key) -> Response:
    """Remove a member, and with the membership the consent to read with their account."""
    visit.access.members.remove(project, visit.form.get("person", ""))
    return RedirectResponse("/projects/", status_code=303)


@router.post("/projects/{project}/connection/")
def change_connection(request: Request, visit: Visitor, project: Key) -> Response:
    """Choose the database of a project, as long as it has no data."""
    try:
        visit.access.projects.update(project, connection=visit.form.get("connection", ""))
    except ForbiddenError:
        raise
    except ControlError as error:
        return project_page.show(request, visit, project, News(error=error))
    return _back(project, "connection")


def _back(project: str, saved: str) -> Response:
    return RedirectResponse(
        f"/projects/{quote(project, safe='')}/?saved={quote(saved)}", status_code=303
    )
