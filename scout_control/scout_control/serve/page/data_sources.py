"""``/``: available sources, connected accounts, synced data; and what people do there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from scout_control.rules.own_pages import own_path
from scout_control.serve.page import overview
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visit, Visitor
from scout_control.serve.pools import Slowly

if TYPE_CHECKING:
    from scout_control.serve.page.overview import Overview

router = APIRouter(include_in_schema=False)
Key = Annotated[str, PathParameter(max_length=500)]


@router.get("/")
def show(
    request: Request, visit: Visitor, checked: Annotated[str, Query(max_length=500)] = ""
) -> Response:
    """Show the data sources; with `checked`, that an account of this source was tested."""
    seen = overview.load(visit)
    known = {each.row["source"] for each in seen.accounts}
    shown = checked if checked in known else ""
    return page(request, "data_sources.html", visit=visit, seen=seen, checked=shown)


@router.get("/synced/")
def show_synced(request: Request, visit: Visitor, active: str = "") -> Response:
    """Show the synced data only; a page asks for it again and again.

    When a run has ended because its account was refused, the rest of the page has changed, too.
    """
    seen = overview.load(visit)
    response = _synced(request, visit, seen)
    if active and not seen.is_active and any(each.reconnect for each in seen.synced):
        response.headers["HX-Refresh"] = "true"
    return response


@router.post("/datasets/{dataset}/sync/")
def sync(request: Request, visit: Visitor, dataset: Key) -> Response:
    """Queue a run."""
    visit.access.runs.queue(dataset)
    return _synced(request, visit)


@router.post("/runs/{run}/cancel/")
def cancel(request: Request, visit: Visitor, run: Key) -> Response:
    """Cancel a run."""
    visit.access.runs.cancel(run)
    return _synced(request, visit)


@router.post("/datasets/")
def start(visit: Visitor) -> Response:
    """Begin to sync a source for a project, or for the person, who thereby consents."""
    form, access = visit.form, visit.access
    user = access.identity.person if form.get("mine") else None
    dataset = access.datasets.ensure(form.get("project", ""), form.get("source", ""), user=user)
    access.runs.queue(dataset.id)
    return _back()


@router.post("/accounts/disconnect/")
async def disconnect(visit: Visitor, slow: Slowly) -> Response:
    """Delete a credential, and revoke its token at the source."""
    source, project, user = (visit.form.get(name) for name in ("source", "project", "user"))
    revoke = visit.access.credentials.revoke
    await slow.run(lambda: revoke(source or "", project=project or None, user=user or None))
    return _back()


@router.post("/accounts/check/")
async def check(visit: Visitor, slow: Slowly) -> Response:
    """Test a credential at its source."""
    source, project = visit.form.get("source", ""), visit.form.get("project")
    access = visit.access
    await slow.run(lambda: access.credentials.check(source, project=project or None))
    return RedirectResponse(f"/?{urlencode({'checked': source})}", status_code=303)


@router.post("/projects/{project}/join/")
async def join(visit: Visitor, project: Key) -> Response:
    """Make an operator an admin of a project, which is in the audit trail."""
    members, person = visit.access.members, visit.person
    await run_in_threadpool(lambda: members.add(project, person, role="admin"))
    return _back()


def _synced(request: Request, visit: Visit, seen: Overview | None = None) -> Response:
    if "hx-request" not in request.headers:
        return _back(visit.form.get("next"))
    return page(request, "synced.html", visit=visit, seen=seen or overview.load(visit))


def _back(place: str | None = None) -> Response:
    return RedirectResponse(own_path(place), status_code=303)
