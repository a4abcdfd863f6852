"""``/.well-known/oauth-protected-resource``: where clients of agents get tokens (RFC 9728).

A client that was answered with 401 looks here. It finds the OpenID Connect provider, if there is
one: nothing else but this installation itself issues tokens that are accepted.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.types import Scope

from scout_control.serve.hosting import public_origin
from scout_control.serve.sign_in import scout_of

WELL_KNOWN = "/.well-known/oauth-protected-resource"
AGENTS = "/mcp"
router = APIRouter(include_in_schema=False)


class ResourceMetadata(BaseModel):
    """What a protected resource says of itself."""

    resource: str
    authorization_servers: list[str] | None = None
    bearer_methods_supported: tuple[str, ...] = ("header",)
    resource_name: str = "Scout"
    resource_documentation: str


@router.get(WELL_KNOWN, response_model_exclude_none=True)
@router.get(f"{WELL_KNOWN}/", response_model_exclude_none=True)
def describe(request: Request) -> ResourceMetadata:
    """Describe the server."""
    return _metadata(request, "")


@router.get(WELL_KNOWN + AGENTS, response_model_exclude_none=True)
@router.get(f"{WELL_KNOWN}{AGENTS}/", response_model_exclude_none=True)
def describe_agents(request: Request) -> ResourceMetadata:
    """Describe what agents use."""
    return _metadata(request, AGENTS)


def _metadata(request: Request, resource: str) -> ResourceMetadata:
    origin, provider = public_origin(request), scout_of(request).installation.settings.openid
    return ResourceMetadata(
        resource=origin + resource,
        authorization_servers=None if provider is None else [provider.issuer],
        resource_documentation=f"{origin}/api/docs",
    )


def address(scope: Scope) -> str:
    """Return where the resource of agents is described, as the client of a request reaches us."""
    return public_origin(Request(scope)) + WELL_KNOWN + AGENTS
