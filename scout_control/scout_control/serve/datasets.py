"""``/api/datasources/datasets/``: data, its schedule and its runs; rows are in ``dataset_rows``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field

from scout_control.api.readers import ReaderUrl
from scout_control.api.views import Dataset
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
    RunDocument,
    page_of,
)
from scout_control.serve.operations import offered
from scout_control.serve.pools import Slowly
from scout_control.serve.sign_in import SignedIn

router = APIRouter(prefix="/api/datasources/datasets", tags=["datasets"])
SYNC_JOBS = "/api/datasources/sync-jobs"
RESETTABLE = {"keep", "alias", "is_paused"}


class NewDataset(Body):
    """A dataset to have: of a project, or of a user, who thereby consents."""

    project: Name
    source: Name
    user: Name | None = Field(
        default=None, description="You: the project may read with your credential."
    )


class DatasetChange(Body):
    """What changes of a dataset; null resets, what is left out stays."""

    keep: Name | None = Field(
        default=None, examples=["30d"], description="24h, 30d, forever, default."
    )
    is_paused: bool | None = None
    alias: Name | None = Field(
        default=None,
        description="The schema in which people find what to read; an operator chooses it.",
    )


class Sync(Body):
    """What to load."""

    full_refresh: bool = Field(default=False, description="Discard the state and read everything.")


class Sharing(Body):
    """Who may read a dataset in the database."""

    roles: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(max_length=100)


class Login(Body):
    """A login for tools."""

    new_password: bool = Field(
        default=False, description="Replace it; sessions with the former one end."
    )


class LoginRevoked(BaseModel):
    """What happened to the login for tools."""

    success: bool = True
    was_there: bool


class DatasetStatus(BaseModel):
    """How a dataset fares."""

    health: str
    condition: str
    reason: str | None
    dataset: dict[str, Any] = Field(description="As it is listed, with its active `run`.")
    history: list[dict[str, Any]] = Field(description="The latest runs, oldest first.")


@router.get("/", **offered("datasets.list"))
def list_datasets(
    access: SignedIn, project: OfProject = None, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[Dataset]:
    """List the datasets that you may see."""
    return page_of(access.datasets.list(project=project, after=after, limit=limit))


@router.post("/", status_code=201, **offered("datasets.ensure", changes=True))
def ensure_dataset(access: SignedIn, body: NewDataset, response: Response) -> Dataset:
    """Return the dataset of a project or of you, created if missing; its first run loads it."""
    return tagged(response, access.datasets.ensure(body.project, body.source, user=body.user))


@router.get("/{dataset}/", **offered("datasets.show"))
def show_dataset(access: SignedIn, dataset: Key, response: Response) -> Dataset:
    """Show a dataset, by its id, schema or alias. Its tag changes with its active run."""
    return tagged(response, access.datasets.show(dataset))


@router.patch("/{dataset}/", **offered("datasets.update", changes=True))
def update_dataset(
    access: SignedIn,
    dataset: Key,
    body: DatasetChange,
    condition: Conditional,
    response: Response,
) -> Dataset:
    """Change how long a dataset is kept, its schedule or its alias."""
    reset = [
        "paused" if n == "is_paused" else n
        for n in body.model_fields_set & RESETTABLE
        if getattr(body, n) is None
    ]
    with condition.holding(access, "datasets.update", access.datasets.show, dataset) as shown:
        changed = access.datasets.update(
            shown.id, keep=body.keep, is_paused=body.is_paused, alias=body.alias, unset=reset
        )
    return tagged(response, changed)


@router.delete("/{dataset}/", status_code=204, **offered("datasets.drop", changes=True))
async def drop_dataset(
    access: SignedIn, dataset: Key, condition: Conditional, slow: Slowly
) -> None:
    """Drop the data and the state of a dataset; it remains, expired, and can be loaded again."""

    def drop() -> None:
        with condition.holding(access, "datasets.drop", access.datasets.show, dataset) as shown:
            access.datasets.drop(shown.id)

    await slow.run(drop)


@router.post("/{dataset}/sync/", status_code=202, **offered("runs.queue", changes=True))
def sync_dataset(
    access: SignedIn,
    dataset: Key,
    response: Response,
    body: Sync | None = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=255,
            description="Repeated with the same key, this returns the same run, for a day.",
        ),
    ] = None,
) -> RunDocument:
    """Queue a run for a worker, or return the one that has not ended yet."""
    run = access.runs.queue(
        dataset,
        full_refresh=body is not None and body.full_refresh,
        idempotency_key=idempotency_key,
    )
    response.headers["Location"] = f"{SYNC_JOBS}/{run.run_id}/"
    return RunDocument.of(run)


@router.get("/{dataset}/status/", **offered("status", name="datasets.status"))
def dataset_status(
    access: SignedIn,
    dataset: Key,
    history: Annotated[int, Query(ge=0, le=100, description="Latest runs, this many.")] = 0,
) -> DatasetStatus:
    """Show how a dataset fares, why, and how its latest runs ended."""
    name = access.datasets.show(dataset).id
    [found] = access.status(dataset=name, history=history).synced_data
    assessed = {name: found.pop(name) for name in ("health", "condition", "reason")}
    past = found.pop("history", [])
    return DatasetStatus(**assessed, dataset=found, history=past)


@router.post("/{dataset}/pause/", **offered("datasets.pause", changes=True))
def pause_dataset(
    access: SignedIn, dataset: Key, condition: Conditional, response: Response
) -> Dataset:
    """Pause the schedule of a dataset."""
    with condition.holding(access, "datasets.pause", access.datasets.show, dataset) as shown:
        return tagged(response, access.datasets.pause(shown.id))


@router.post(
    "/{dataset}/resume/", **offered("datasets.pause", name="datasets.resume", changes=True)
)
def resume_dataset(
    access: SignedIn, dataset: Key, condition: Conditional, response: Response
) -> Dataset:
    """Resume the schedule of a dataset."""
    with condition.holding(access, "datasets.pause", access.datasets.show, dataset) as shown:
        return tagged(response, access.datasets.pause(shown.id, is_paused=False))


@router.post("/{dataset}/touch/", **offered("datasets.touch", changes=True))
def touch_dataset(access: SignedIn, dataset: Key, response: Response) -> Dataset:
    """Mark a dataset as used so it does not expire."""
    return tagged(response, access.datasets.touch(dataset))


@router.post("/{dataset}/share/", **offered("datasets.share", changes=True))
def share_dataset(
    access: SignedIn, dataset: Key, body: Sharing, condition: Conditional, response: Response
) -> Dataset:
    """Set which roles of the database may read a dataset; all others lose access."""
    with condition.holding(access, "datasets.share", access.datasets.show, dataset) as shown:
        return tagged(response, access.datasets.share(shown.id, body.roles))


@router.post("/{dataset}/url/", **offered("datasets.url", changes=True))
async def reader_url(
    access: SignedIn, dataset: Key, slow: Slowly, body: Login | None = None
) -> ReaderUrl:
    """Return how a tool connects as the reader of a dataset; this is a secret."""
    is_new = body is not None and body.new_password
    return await slow.run(lambda: access.datasets.url(dataset, new_password=is_new))


@router.delete("/{dataset}/url/", **offered("datasets.revoke_url", changes=True))
async def revoke_reader_url(access: SignedIn, dataset: Key, slow: Slowly) -> LoginRevoked:
    """Remove the login for tools, and end its sessions."""
    return LoginRevoked(was_there=await slow.run(lambda: access.datasets.revoke_url(dataset)))
