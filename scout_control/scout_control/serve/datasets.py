"""``/api/datasources/datasets/``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from scout_control.access.pages import LIMIT, MOST
from scout_control.api.views import Dataset
from scout_control.serve.sign_in import SignedIn

router = APIRouter(prefix="/api/datasources/datasets", tags=["datasets"])


class Datasets(BaseModel):
    """Some datasets, and the cursor of the next ones."""

    items: list[Dataset]
    next: str | None


@router.get("/", operation_id="datasets.list")
def list_datasets(
    access: SignedIn,
    project: Annotated[str | None, Query(description="Only datasets of this project.")] = None,
    after: Annotated[str | None, Query(description="The cursor of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = LIMIT,
) -> Datasets:
    """List the datasets that you may see."""
    page = access.datasets.list(project=project, after=after, limit=limit)
    return Datasets(items=page.items, next=page.next)


@router.get("/{dataset}/", operation_id="datasets.show")
def show_dataset(access: SignedIn, dataset: str) -> Dataset:
    """Show a dataset, by its id, schema or alias."""
    return access.datasets.show(dataset)
