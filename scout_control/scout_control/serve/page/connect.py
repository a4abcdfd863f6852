"""``/connect/``: connecting an account by API key, password or token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from scout_control.errors import ControlError, ForbiddenError, NotFoundError
from scout_control.rules.credential_kinds import ANY_SETTINGS, FIELDS_BY_KIND, OAUTH
from scout_control.serve import errors
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visit, Visitor
from scout_control.serve.pools import Slowly

if TYPE_CHECKING:
    from scout_control.meltano.project import SourceType

router = APIRouter(include_in_schema=False)
Name = Annotated[str, Query(max_length=500)]
LABELS = {
    "api_key": "API key",
    "username_password": "User name and password",
    "token": "Access token",
    ANY_SETTINGS: "Secret settings",
    "username": "User name",
    "password": "Password",
    "access_token": "Access token",
}
PUBLIC = frozenset({"username"})


@router.get("/connect/")
def show(
    request: Request,
    visit: Visitor,
    source: Name,
    project: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """Show the form for an account of a source."""
    return _form(request, visit, source, project)


@router.post("/connect/")
async def save(request: Request, visit: Visitor, slow: Slowly) -> Response:
    """Test an account at its source, and store it."""
    form = visit.form
    source, project, kind = (form.get(name, "") for name in ("source", "project", "kind"))

    def act() -> Response:
        names = _names(kind, visit.access.credentials.source_type(source))
        given = {name: form.get(f"{kind}.{name}", "").strip() for name in names}
        # What a source needs of its settings is not known before they are tested.
        fields = {name: value for name, value in given.items() if value or kind != ANY_SETTINGS}
        try:
            visit.access.credentials.save(source, kind, fields, project=project or None)
        except (ForbiddenError, NotFoundError):
            raise
        except ControlError as error:
            return _form(request, visit, source, project, error)
        return RedirectResponse("/", status_code=303)

    return await slow.run(act)


def _form(
    request: Request, visit: Visit, source: str, project: str, error: ControlError | None = None
) -> Response:
    visit.access.credentials.check_connectable(source, project=project or None)
    row = visit.access.sources.show(source)
    found = visit.access.credentials.source_type(row.name)
    kinds = [
        (kind, LABELS[kind], _names(kind, found))
        for kind in found.credential_kinds
        if kind in LABELS and _names(kind, found)
    ]
    return page(
        request,
        "connect.html",
        visit=visit,
        status=200 if error is None else errors.status(error),
        error=error,
        source=row,
        project=project,
        kinds=kinds,
        labels=LABELS,
        public=PUBLIC,
        is_oauth=OAUTH in found.credential_kinds and row.oauth_client_id is not None,
        pages=found.account_pages(row.base_url),
        kept=visit.form,
    )


def _names(kind: str, source_type: SourceType) -> list[str]:
    """Return the fields of an account of a kind."""
    if kind == ANY_SETTINGS:
        return list(source_type.sensitive)
    return [name for group in FIELDS_BY_KIND.get(kind, ()) for name in group]
