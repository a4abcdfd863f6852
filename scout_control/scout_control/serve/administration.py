"""``/api/datasources/status/``, ``audit/``, ``purges/``, ``doctor/`` ...: what operators see."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, model_validator

from scout_control.access.checkups import Checkup
from scout_control.access.pages import cut
from scout_control.api.audit import Event, Verification
from scout_control.api.purge import Plan
from scout_control.api.views import Dataset, Worker
from scout_control.serve.documents import (
    DEFAULT_LIMIT,
    TEXT,
    After,
    Body,
    Limit,
    Name,
    OfProject,
    PageOf,
    page_of,
)
from scout_control.serve.operations import offered
from scout_control.serve.pools import Slowly
from scout_control.serve.sign_in import SignedIn

router = APIRouter(prefix="/api/datasources", tags=["administration"])
Hash = Annotated[str | None, Query(max_length=TEXT, description="Of an earlier verification.")]


class StatusDocument(BaseModel):
    """Sources, credentials and data that you may see; at most 500 of each."""

    available_sources: list[dict[str, Any]]
    credentials: list[dict[str, Any]]
    connections: list[dict[str, Any]] = Field(description="The same as `credentials`.")
    synced_data: list[dict[str, Any]] = Field(
        description="Datasets, the worst first, with `health`, `condition` and `reason`."
    )


class Owner(Body):
    """Whose data a purge removes: a project's, or a user's."""

    project: Name | None = None
    user: Name | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Owner:
        if (self.project is None) == (self.user is None):
            raise ValueError("give either project or user")
        return self


class Purge(Owner):
    """A purge to execute."""

    confirm: Literal[True] = Field(description="It cannot be undone: look at the plan first.")
    with_id: bool = Field(
        default=True, description="Whether the receipt has the id, or only its digest."
    )


@router.get("/status/", **offered("status"))
def show_status(
    access: SignedIn,
    project: OfProject = None,
    history: Annotated[int, Query(ge=0, le=100, description="Latest runs of each.")] = 0,
) -> StatusDocument:
    """Show how everything fares that you may see."""
    return StatusDocument(**access.status(project=project, history=history).as_dict())


@router.get("/would-expire/", **offered("would_expire"))
async def show_expiring(
    access: SignedIn, slow: Slowly, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[Dataset]:
    """List the datasets whose data the next background job would drop."""
    found = await slow.run(access.would_expire)
    return page_of(cut(found, lambda each: each.schema, after, limit))


@router.get("/doctor/", **offered("doctor"))
async def check_installation(access: SignedIn, slow: Slowly) -> Checkup:
    """Check the installation. A round takes up to 20 s, and its findings are kept for 15 s."""
    return await slow.run(access.doctor)


@router.get("/workers/", **offered("workers"))
def list_workers(
    access: SignedIn, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[Worker]:
    """List the worker processes, with their last sign of life and the runs that they execute."""
    return page_of(cut(access.workers(), lambda each: f"{each.id:020}", after, limit))


@router.get("/audit/", **offered("audit.list"))
def list_events(
    access: SignedIn,
    project: OfProject = None,
    since: datetime | None = None,
    until: datetime | None = None,
    action: Annotated[str | None, Query(max_length=TEXT)] = None,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
) -> PageOf[Event]:
    """List the events of the audit trail, the newest first."""
    found = access.audit.list(
        project=project, since=since, until=until, action=action, after=after, limit=limit
    )
    return page_of(found)


@router.get("/audit/verify/", **offered("audit.verify"))
async def verify_audit(access: SignedIn, slow: Slowly, expect: Hash = None) -> Verification:
    """Verify that no event was changed, removed or inserted."""
    return await slow.run(lambda: access.audit.verify(expect=expect))


@router.post("/purges/plan/", **offered("purges.plan", changes=True))
async def plan_purge(access: SignedIn, body: Owner, slow: Slowly) -> Plan:
    """Show what a purge would remove."""
    return await slow.run(lambda: access.purges.plan(project=body.project, user=body.user))


@router.post("/purges/", **offered("purges.execute", changes=True))
async def execute_purge(access: SignedIn, body: Purge, slow: Slowly) -> dict[str, Any]:
    """Remove everything that belongs to an owner, and return the receipt. Needs a sign-in."""
    return await slow.run(
        lambda: access.purges.execute(project=body.project, user=body.user, with_id=body.with_id)
    )
