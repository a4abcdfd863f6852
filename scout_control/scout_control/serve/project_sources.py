"""``/api/datasources/project-sources/``: which projects use which sources, and how."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from scout_control.api.views import Link
from scout_control.errors import SettingsError
from scout_control.serve.conditions import Conditional, tagged
from scout_control.serve.documents import (
    DEFAULT_LIMIT,
    After,
    Body,
    Key,
    Limit,
    Name,
    OfProject,
    OfSource,
    PageOf,
    Settings,
    merged_settings,
    page_of,
)
from scout_control.serve.operations import offered
from scout_control.serve.pools import Slowly
from scout_control.serve.sign_in import SignedIn

router = APIRouter(prefix="/api/datasources/project-sources", tags=["project-sources"])
Mode = Literal["project", "user"]
Hours = Annotated[int, Field(ge=1, le=8_784)]
Paths = Annotated[dict[str, Annotated[list[Name], Field(max_length=200)]], Field(max_length=200)]
COLUMNS = {
    "credential_mode": "mode",
    "refresh_interval_hours": "interval_hours",
    "exclude": "exclude",
    "hash": "hash",
}


class LinkSettings(Body):
    """How a project uses a source."""

    credential_mode: Mode | None = Field(
        None, description="Whether one credential of the project is used, or each user's own."
    )
    refresh_interval_hours: Hours | None = None
    sync_config: Settings | None = Field(
        default=None, description="Settings that choose what is read."
    )
    exclude: Paths | None = Field(
        None,
        description="By stream, paths of columns whose values must not arrive.",
        examples=[{"cases": ["case_name", "properties.*phone*"]}],
    )
    hash: Paths | None = Field(
        default=None, description="By stream, columns of which a hash arrives."
    )

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the operation, and in ``unset`` what is null."""
        config, unset = merged_settings(self.sync_config)
        given = {name: getattr(self, column) for column, name in COLUMNS.items()}
        null = [COLUMNS[each] for each in COLUMNS if each in self.model_fields_set]
        unset += [name for name in null if given[name] is None]
        return {**given, "config": config or None, "unset": unset}


class NewLink(LinkSettings):
    """A link to make."""

    project: Name
    source: Name


class LinkChange(LinkSettings):
    """What changes of a link; null resets, what is left out stays, also in ``sync_config``."""

    is_active: bool | None = Field(
        None, description="False detaches the source, whose data expires; true links it again."
    )


@router.get("/", **offered("links.list"))
def list_links(
    access: SignedIn,
    project: OfProject = None,
    source: OfSource = None,
    is_active: Annotated[
        bool,
        Query(description="False: removed links of a `project` whose data has not expired yet."),
    ] = True,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
) -> PageOf[Link]:
    """List the links of the projects that you may see."""
    if is_active:
        found = access.links.list(project, source=source, after=after, limit=limit)
    elif project is None:
        raise SettingsError("Removed links are listed by project.", "Give project, too.")
    else:
        found = access.links.unlinked(project, source=source, after=after, limit=limit)
    return page_of(found)


@router.post("/", status_code=201, **offered("links.add", changes=True))
def add_link(access: SignedIn, body: NewLink, response: Response) -> Link:
    """Let a project use a source."""
    arguments = body.arguments()
    if arguments.pop("unset"):
        raise SettingsError("A new link has nothing to reset.", "Leave out what is null.")
    return tagged(response, access.links.add(body.project, body.source, **arguments))


@router.get("/{link}/", **offered("links.show"))
def show_link(access: SignedIn, link: Key, response: Response) -> Link:
    """Show a link, by its id."""
    return tagged(response, access.links.show(*access.links.named(link)))


@router.patch("/{link}/", **offered("links.update", changes=True))
def update_link(
    access: SignedIn, link: Key, body: LinkChange, condition: Conditional, response: Response
) -> Link:
    """Change a link, or with `is_active` detach its source and link it again."""
    project, source = access.links.named(link)
    if body.is_active:
        with access.changing("links.update", link):
            _link_again(access, project, source)
    with condition.holding(access, "links.update", access.links.show, project, source) as shown:
        arguments = body.arguments()
        is_changed = any(arguments.values())
        result = access.links.update(project, source, **arguments) if is_changed else shown
        if body.is_active is False:
            access.links.remove(project, source)
            result = _inactive(result)
    return tagged(response, result)


def _link_again(access: SignedIn, project: str, source: str) -> None:
    active = access.links.list(project, source=source).items
    if not active:
        access.links.add(project, source)


def _inactive(link: Link) -> Link:
    return Link(**{**vars(link), "is_active": False})


@router.delete("/{link}/", status_code=204, **offered("links.remove", changes=True))
async def remove_link(
    access: SignedIn,
    link: Key,
    condition: Conditional,
    slow: Slowly,
    drop: Annotated[
        bool, Query(description="Drop the data now; else it expires. May be repeated.")
    ] = False,
) -> None:
    """Detach a source from a project."""

    def remove() -> None:
        project, source = access.links.named(link)
        if drop and not access.links.list(project, source=source).items:
            access.links.remove(project, source, drop=True)  # it was detached before
            return
        with condition.holding(access, "links.remove", access.links.show, project, source):
            access.links.remove(project, source, drop=drop)

    await slow.run(remove)
