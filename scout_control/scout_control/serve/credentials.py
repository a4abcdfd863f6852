"""``/api/datasources/credentials/``: accounts at sources, without their secrets."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from scout_control.api.views import Credential
from scout_control.rules.credential_kinds import FIELDS_BY_KIND, OAUTH
from scout_control.serve.conditions import Conditional, tagged
from scout_control.serve.documents import (
    DEFAULT_LIMIT,
    After,
    Body,
    Key,
    Limit,
    Name,
    OfProject,
    PageOf,
    Secret,
    page_of,
)
from scout_control.serve.operations import offered
from scout_control.serve.pools import Slowly
from scout_control.serve.sign_in import SignedIn

router = APIRouter(prefix="/api/datasources/credentials", tags=["credentials"])
OAUTH_START = "/api/datasources/oauth/start/"
Fields = Annotated[dict[Name, Secret], Field(max_length=50, json_schema_extra={"writeOnly": True})]


class NewCredential(Body):
    """An account to connect: yours, or with ``project`` that of a project."""

    source: Name
    kind: Name | None = Field(
        None,
        description="By default the preferred kind of the source.",
        examples=sorted(FIELDS_BY_KIND),
    )
    fields: Fields = Field(default={}, examples=[{"username": "ann@example.org", "api_key": "..."}])
    project: Name | None = None
    test: bool = Field(
        default=True, description="Read from the source with it before it is stored."
    )


class Revoked(BaseModel):
    """A credential that was removed."""

    success: bool = True
    is_revoked_at_source: bool = Field(
        description="Whether the source confirmed that its token is not accepted any longer."
    )


class Reauthorization(BaseModel):
    """How to connect an account again."""

    source: str
    project: str | None
    kind: str
    start: str | None = Field(
        description="Where a browser starts the authorization, if the kind is oauth2."
    )
    fields: list[str] = Field(description="What to send to `/credentials/`, for other kinds.")


@router.get("/", **offered("credentials.list"))
def list_credentials(
    access: SignedIn, project: OfProject = None, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[Credential]:
    """List your credentials and those of your projects: status, expiry, and the last error."""
    return page_of(access.credentials.list(project=project, after=after, limit=limit))


@router.post("/", status_code=201, **offered("credentials.save", changes=True))
async def save_credential(
    access: SignedIn, body: NewCredential, slow: Slowly, response: Response
) -> Credential:
    """Store an API key, a password, a token or secret settings, in place of the present ones."""

    def save() -> Credential:
        kind = body.kind or access.credentials.default_kind(body.source)
        return access.credentials.save(
            body.source, kind, body.fields, project=body.project, test=body.test
        )

    return tagged(response, await slow.run(save))


def _show(access: SignedIn, credential: str) -> Credential:
    source, project, user = access.credentials.named(credential)
    return access.credentials.show(source, project=project, user=user)


@router.get("/{credential}/", **offered("credentials.show"))
def show_credential(access: SignedIn, credential: Key, response: Response) -> Credential:
    """Show a credential, by its id."""
    return tagged(response, _show(access, credential))


@router.post("/{credential}/check/", **offered("credentials.check", changes=True))
async def check_credential(
    access: SignedIn, credential: Key, slow: Slowly, response: Response
) -> Credential:
    """Test a credential at its source."""

    def check() -> Credential:
        shown = _show(access, credential)
        return access.credentials.check(shown.source, project=shown.project, user=shown.user)

    return tagged(response, await slow.run(check))


@router.delete("/{credential}/", **offered("credentials.revoke", changes=True))
async def revoke_credential(
    access: SignedIn, credential: Key, condition: Conditional, slow: Slowly
) -> Revoked:
    """Remove a credential, and revoke its token at the source; runs that need it end."""

    def revoke() -> bool:
        show = partial(_show, access)
        with condition.holding(access, "credentials.revoke", show, credential) as shown:
            return access.credentials.revoke(shown.source, project=shown.project, user=shown.user)

    return Revoked(is_revoked_at_source=await slow.run(revoke))


@router.post(
    "/{credential}/revoke/",
    **offered("credentials.revoke", name="credentials.revoke.post", changes=True),
)
async def revoke_by_post(
    access: SignedIn, credential: Key, condition: Conditional, slow: Slowly
) -> Revoked:
    """The same as DELETE."""
    return await revoke_credential(access, credential, condition, slow)


@router.post(
    "/{credential}/reauthorize/",
    **offered("credentials.save", name="credentials.reauthorize", changes=True),
)
def reauthorize(access: SignedIn, credential: Key) -> Reauthorization:
    """Return how to connect the account again: by OAuth in a browser, or by its fields."""
    shown = access.credentials.to_connect(credential)
    names = {"source": shown.source, "project": shown.project}
    query = urlencode({name: value for name, value in names.items() if value})
    public, secret = FIELDS_BY_KIND.get(shown.kind, ((), ()))
    is_oauth = shown.kind == OAUTH
    return Reauthorization(
        source=shown.source,
        project=shown.project,
        kind=shown.kind,
        start=f"{OAUTH_START}?{query}" if is_oauth else None,
        fields=[] if is_oauth else [*public, *secret],
    )
