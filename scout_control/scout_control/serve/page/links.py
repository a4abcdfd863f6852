"""``/projects/ID/sources/``: linking a source to a project, its settings, and removing it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from scout_control.errors import ControlError, ForbiddenError, NotFoundError
from scout_control.serve.page import link_form, project_page
from scout_control.serve.page.link_form import LinkForm
from scout_control.serve.page.project_page import News, Rejected
from scout_control.serve.page.visits import Visitor
from scout_control.serve.pools import Slowly

router = APIRouter(include_in_schema=False)
Key = Annotated[str, Path(max_length=500)]


@router.post("/projects/{project}/sources/")
def add(request: Request, visit: Visitor, project: Key) -> Response:
    """Let a project use a source."""
    links, form = visit.access.links, visit.form
    try:
        links.add(project, form.get("source", ""), mode=form.get("mode", ""))
    except (ForbiddenError, NotFoundError):
        raise
    except ControlError as error:
        return project_page.show(request, visit, project, News(error=error))
    return _back(project, form.get("source", ""), saved="linked")


@router.post("/projects/{project}/sources/settings/")
def change(request: Request, visit: Visitor, project: Key) -> Response:
    """Change how a project uses a source."""
    links, source = visit.access.links, visit.form.get("source", "")
    before = project_page.form_of(links.show(project, source))
    sent = LinkForm.sent(visit.form, before)
    try:
        links.update(project, source, **link_form.changes(sent, before))
    except (ForbiddenError, NotFoundError):
        raise
    except ControlError as error:
        rejected = Rejected(source=source, form=sent, error=error)
        return project_page.show(request, visit, project, News(rejected=rejected))
    is_kept = link_form.has_other_rules(sent, before) and links.earlier_rows(project, source)
    return _back(project, source, saved="kept" if is_kept else "settings")


@router.post("/projects/{project}/sources/remove/")
async def remove(visit: Visitor, slow: Slowly, project: Key) -> Response:
    """Detach a source from a project; its data expires."""
    source = visit.form.get("source", "")
    await slow.run(lambda: visit.access.links.remove(project, source))
    return _back(project, source, saved="removed")


def _back(project: str, source: str, saved: str) -> Response:
    query = urlencode({"saved": saved, "source": source[:500]})
    return RedirectResponse(f"/projects/{quote(project, safe='')}/?{query}", status_code=303)
