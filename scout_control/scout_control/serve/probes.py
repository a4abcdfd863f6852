"""``/health`` and ``/ready``: whether the process lives, and can answer; for anyone, briefly."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from scout_control.api.scout import Scout
from scout_control.errors import ControlError
from scout_control.serve.parameters import check_query

router = APIRouter(tags=["probes"], dependencies=[Depends(check_query)])
log = logging.getLogger(__name__)
PREFIXES = ("", "/api/datasources")


class Probe(BaseModel):
    """A word."""

    status: str


def health() -> Probe:
    """Tell that the process answers."""
    return Probe(status="ok")


def ready(request: Request, response: Response) -> Probe:
    """Answer whether the store can be reached, and has the version of this program."""
    scout: Scout = request.app.state.scout
    try:
        scout.installation.store.check_version()
    except ControlError as error:
        log.warning("not_ready: %s", error)
        response.status_code = 503
        return Probe(status="not ready")
    return Probe(status="ready")


for prefix in PREFIXES:
    is_described = not prefix
    for path, endpoint in (("health", health), ("ready", ready)):
        router.add_api_route(
            f"{prefix}/{path}{'/' if prefix else ''}",
            endpoint,
            operation_id=path,
            include_in_schema=is_described,
            responses={503: {"model": Probe, "description": "Not now."}} if path == "ready" else {},
        )
