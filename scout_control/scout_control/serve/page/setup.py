"""``/operator/setup/``: the people, projects and sources of the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from scout_control.errors import ControlError, ForbiddenError, SettingsError
from scout_control.rules.json_values import written_value
from scout_control.rules.permissions import INSTALLATION_ROLES
from scout_control.serve import errors
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visit, Visitor
from scout_control.serve.sign_in import scout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

router = APIRouter(include_in_schema=False)
MOST = 500
SAVED = {
    "project": "The project is added. Open it to link sources and add members.",
    "source": "The source is added. Link it on the page of a project.",
    "person": "The person is added. Add them to a project as a member.",
    "changed": "It is changed.",
}


@router.get("/operator/setup/")
def show(request: Request, visit: Visitor, saved: str = "") -> Response:
    """Show the people, projects and sources, with forms to add others."""
    return _page(request, visit, saved=saved)


@router.post("/operator/projects/")
def add_project(request: Request, visit: Visitor) -> Response:
    """Add a project."""
    form = visit.form
    name, connection = form.get("name", "").strip() or None, form.get("connection", "default")

    def add() -> None:
        project = form.get("id", "").strip()
        visit.access.projects.create(project, name=name, connection=connection)

    return _changed(request, visit, add, "project")


@router.post("/operator/sources/")
def add_source(request: Request, visit: Visitor) -> Response:
    """Add a source."""
    given = {name: value.strip() for name, value in visit.form.items()}

    def add() -> None:
        visit.access.sources.add(
            given.get("name", ""),
            given.get("type", ""),
            base_url=given.get("base_url") or None,
            config=settings_of(given.get("settings", "")),
            client_id=given.get("client_id") or None,
            client_secret=given.get("client_secret") or None,
        )

    return _changed(request, visit, add, "source")


@router.post("/operator/people/")
def add_person(request: Request, visit: Visitor) -> Response:
    """Add a person."""
    given = {name: value.strip() for name, value in visit.form.items()}

    def add() -> None:
        visit.access.people.add(
            given.get("id", ""),
            name=given.get("name") or None,
            email=given.get("email") or None,
            roles=[each for each in INSTALLATION_ROLES if given.get(each)],
        )

    return _changed(request, visit, add, "person")


@router.post("/operator/people/access/")
def let_in(request: Request, visit: Visitor) -> Response:
    """Let a person in again, or end their access at once."""
    person, is_active = visit.form.get("person", ""), visit.form.get("active") == "1"
    people = visit.access.people
    return _changed(
        request, visit, lambda: people.update(person, is_active=is_active), saved="changed"
    )


def settings_of(text: str) -> dict[str, Any]:
    """Return settings that were written as lines with ``=``.

    Raises:
        SettingsError: A line has none.
    """
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.partition("=")
        if not line.strip():
            continue
        if not equals or not name.strip():
            raise SettingsError(
                f"Line {number} of the settings is not readable.",
                "Write one setting per line, such as: domain = my-project",
            )
        found[name.strip()] = written_value(value.strip())
    return found


def _changed(request: Request, visit: Visit, change: Callable[[], object], saved: str) -> Response:
    try:
        change()
    except ForbiddenError:
        raise
    except ControlError as error:
        return _page(request, visit, error=error)
    return RedirectResponse(f"/operator/setup/?saved={saved}", status_code=303)


def _page(
    request: Request, visit: Visit, *, saved: str = "", error: ControlError | None = None
) -> Response:
    access = visit.access
    access.would_expire()  # for operators only: all else is decided by this
    kept: Mapping[str, str] = visit.form if error else {}
    return page(
        request,
        "setup.html",
        visit=visit,
        status=200 if error is None else errors.status(error),
        projects=access.projects.list(limit=MOST).items,
        sources=access.sources.list(limit=MOST).items,
        people=access.people.list(limit=MOST).items,
        types=access.sources.types(),
        connections=access.connections.list(limit=MOST).items,
        has_provider=scout_of(request).installation.settings.openid is not None,
        saved=SAVED.get(saved, ""),
        error=error,
        kept={name: value for name, value in kept.items() if name != "client_secret"},
        sent=request.url.path,
    )
