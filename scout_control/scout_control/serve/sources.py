"""``/api/datasources/sources/``, ``types/`` and ``pipelines/``; client secrets are never read."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from scout_control.access.pages import cut
from scout_control.api.views import Source
from scout_control.meltano.project import Job, SourceType
from scout_control.serve.conditions import Conditional, tagged
from scout_control.serve.documents import (
    DEFAULT_LIMIT,
    TEXT,
    After,
    Body,
    Key,
    Limit,
    Name,
    PageOf,
    Secret,
    Settings,
    merged_settings,
    page_of,
)
from scout_control.serve.operations import offered
from scout_control.serve.pools import Slowly
from scout_control.serve.sign_in import SignedIn

router = APIRouter(prefix="/api/datasources", tags=["sources"])
RESETTABLE = {"base_url", "client_id", "client_secret"}


class SourceTypeDocument(BaseModel):
    """What a source can be: an extractor of meltano.yml."""

    source_type: str
    label: str
    logins: list[str] = Field(description="Kinds of credential, the preferred one first.")
    base_url: str | None
    settings: list[str]
    pipeline: str | None

    @classmethod
    def of(cls, found: SourceType) -> SourceTypeDocument:
        """Return a source type as the commands print it."""
        return cls(
            source_type=found.name,
            label=found.label,
            logins=list(found.credential_kinds),
            base_url=found.base_url,
            settings=list(found.settings),
            pipeline=found.job,
        )


class Pipeline(BaseModel):
    """A job of meltano.yml that loads a dataset schema."""

    name: str
    provider: str
    blocks: list[str]
    transforms: list[str]

    @classmethod
    def of(cls, job: Job) -> Pipeline:
        """Return a pipeline."""
        return cls(
            name=job.name,
            provider=job.provider,
            blocks=list(job.blocks),
            transforms=list(job.transforms),
        )


class NewSource(Body):
    """A source to add."""

    name: Name
    source_type: Name = Field(examples=["tap-commcare"])
    base_url: str | None = Field(default=None, max_length=TEXT * 8)
    config: Settings = Field(default={}, description="Settings of the tap, without secrets.")
    client_id: Name | None = None
    client_secret: Secret | None = None


class SourceChange(Body):
    """What changes of a source; null resets, what is left out stays, also inside ``config``."""

    base_url: str | None = Field(default=None, max_length=TEXT * 8)
    config: Settings | None = None
    client_id: Name | None = None
    client_secret: Secret | None = None


class SourceRemoved(BaseModel):
    """What remains to be done after a source was removed."""

    success: bool = True
    not_revoked: list[str] = Field(
        description="Owners whose tokens the source did not confirm to have revoked."
    )


@router.get("/types/", **offered("sources.types"))
def list_types(
    access: SignedIn, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[SourceTypeDocument]:
    """List the source types."""
    found = [SourceTypeDocument.of(each) for each in access.sources.types()]
    return page_of(cut(found, lambda each: each.source_type, after, limit))


@router.get("/pipelines/", **offered("pipelines"))
def list_pipelines(
    access: SignedIn, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[Pipeline]:
    """List the pipelines."""
    found = [Pipeline.of(each) for each in access.pipelines()]
    return page_of(cut(found, lambda each: each.name, after, limit))


@router.get("/sources/", **offered("sources.list"))
def list_sources(
    access: SignedIn, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[Source]:
    """List the sources that you may see."""
    return page_of(access.sources.list(after=after, limit=limit))


@router.post("/sources/", status_code=201, **offered("sources.add", changes=True))
def add_source(access: SignedIn, body: NewSource, response: Response) -> Source:
    """Add a source."""
    added = access.sources.add(
        body.name,
        body.source_type,
        base_url=body.base_url,
        config=body.config,
        client_id=body.client_id,
        client_secret=body.client_secret,
    )
    return tagged(response, added)


@router.get("/sources/{source}/", **offered("sources.show"))
def show_source(access: SignedIn, source: Key, response: Response) -> Source:
    """Show a source, by its name or id; without its client secret."""
    return tagged(response, access.sources.show(source))


@router.patch("/sources/{source}/", **offered("sources.update", changes=True))
def update_source(
    access: SignedIn, source: Key, body: SourceChange, condition: Conditional, response: Response
) -> Source:
    """Change a source. After a change of its address, its accounts must be connected again."""
    config, unset = merged_settings(body.config)
    unset += [n for n in body.model_fields_set & RESETTABLE if getattr(body, n) is None]
    with condition.holding(access, "sources.update", access.sources.show, source) as shown:
        changed = access.sources.update(
            shown.id,
            base_url=body.base_url,
            config=config or None,
            client_id=body.client_id,
            client_secret=body.client_secret,
            unset=unset,
        )
    return tagged(response, changed)


@router.delete("/sources/{source}/", **offered("sources.remove", changes=True))
async def remove_source(
    access: SignedIn, source: Key, condition: Conditional, slow: Slowly
) -> SourceRemoved:
    """Remove a source that no project uses, with its credentials."""

    def remove() -> list[str]:
        with condition.holding(access, "sources.remove", access.sources.show, source) as shown:
            return list(access.sources.remove(shown.id))

    return SourceRemoved(not_revoked=await slow.run(remove))
