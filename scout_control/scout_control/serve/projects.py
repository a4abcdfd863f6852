"""``/api/datasources/projects/`` and their members."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from scout_control.api.people_views import Member
from scout_control.api.projects import Belongings
from scout_control.api.views import Project
from scout_control.serve.conditions import Conditional, tagged
from scout_control.serve.documents import (
    DEFAULT_LIMIT,
    After,
    Body,
    Key,
    Limit,
    Name,
    PageOf,
    page_of,
)
from scout_control.serve.operations import offered
from scout_control.serve.pools import Slowly
from scout_control.serve.sign_in import SignedIn

router = APIRouter(prefix="/api/datasources/projects", tags=["projects"])
RESETTABLE = {"name", "connection", "db_schema"}
Role = Literal["admin", "member"]


class NewProject(Body):
    """A project to create, under the id that your own system has for it."""

    id: Name
    name: Name | None = None
    connection: Name = "default"
    db_schema: Name = Field(default="public", description="The schema of the project's own tables.")


class ProjectChange(Body):
    """What changes of a project; null resets, what is left out stays."""

    name: Name | None = None
    connection: Name | None = None
    db_schema: Name | None = None


class ProjectRemoved(BaseModel):
    """What remains to be done after a project was removed."""

    success: bool = True
    not_revoked: list[str]


class NewMember(Body):
    """A person who becomes a member."""

    person: Name
    role: Role = "member"


class RoleChange(Body):
    """The new role of a member."""

    role: Role


@router.get("/", **offered("projects.list"))
def list_projects(
    access: SignedIn, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[Project]:
    """List the projects that you may see."""
    return page_of(access.projects.list(after=after, limit=limit))


@router.post("/", status_code=201, **offered("projects.create", changes=True))
def create_project(access: SignedIn, body: NewProject, response: Response) -> Project:
    """Create a project."""
    created = access.projects.create(
        body.id, name=body.name, connection=body.connection, db_schema=body.db_schema
    )
    return tagged(response, created)


@router.get("/{project}/", **offered("projects.show"))
def show_project(access: SignedIn, project: Key, response: Response) -> Project:
    """Show a project."""
    return tagged(response, access.projects.show(project))


@router.patch("/{project}/", **offered("projects.update", changes=True))
def update_project(
    access: SignedIn,
    project: Key,
    body: ProjectChange,
    condition: Conditional,
    response: Response,
) -> Project:
    """Change a project."""
    reset = [n for n in body.model_fields_set & RESETTABLE if getattr(body, n) is None]
    with condition.holding(access, "projects.update", access.projects.show, project):
        changed = access.projects.update(
            project,
            name=body.name,
            connection=body.connection,
            db_schema=body.db_schema,
            unset=reset,
        )
    return tagged(response, changed)


@router.delete("/{project}/", **offered("projects.remove", changes=True))
async def remove_project(
    access: SignedIn,
    project: Key,
    condition: Conditional,
    slow: Slowly,
    with_credentials: Annotated[
        bool, Query(description="Also remove its credentials, and revoke their tokens.")
    ] = False,
) -> ProjectRemoved:
    """Remove a project without links."""

    def remove() -> list[str]:
        with condition.holding(access, "projects.remove", access.projects.show, project):
            return list(access.projects.remove(project, with_credentials=with_credentials))

    return ProjectRemoved(not_revoked=await slow.run(remove))


@router.get("/{project}/belongings/", **offered("projects.belongings"))
def show_belongings(access: SignedIn, project: Key) -> Belongings:
    """Show what a project still has: links and credentials, by source."""
    return access.projects.belongings(project)


@router.get("/{project}/members/", **offered("members.list"))
def list_members(
    access: SignedIn, project: Key, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[Member]:
    """List the members of a project."""
    return page_of(access.members.list(project, after=after, limit=limit))


@router.post("/{project}/members/", status_code=201, **offered("members.add", changes=True))
def add_member(access: SignedIn, project: Key, body: NewMember, response: Response) -> Member:
    """Make a person a member of a project."""
    return tagged(response, access.members.add(project, body.person, role=body.role))


@router.get("/{project}/members/{person}/", **offered("members.show"))
def show_member(access: SignedIn, project: Key, person: Key, response: Response) -> Member:
    """Show what a person is in a project."""
    return tagged(response, access.members.show(project, person))


@router.patch("/{project}/members/{person}/", **offered("members.update", changes=True))
def update_member(
    access: SignedIn,
    project: Key,
    person: Key,
    body: RoleChange,
    condition: Conditional,
    response: Response,
) -> Member:
    """Change the role of a member."""
    with condition.holding(access, "members.update", access.members.show, project, person):
        return tagged(response, access.members.update(project, person, role=body.role))


@router.delete(
    "/{project}/members/{person}/", status_code=204, **offered("members.remove", changes=True)
)
def remove_member(access: SignedIn, project: Key, person: Key, condition: Conditional) -> None:
    """End a membership; one's own, too. The project reads for the person no longer."""
    with condition.holding(access, "members.remove", access.members.show, project, person):
        access.members.remove(project, person)
