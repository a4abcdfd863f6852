"""``/datasets/ID/tables/``: the data dictionary with previews; ``/datasets/ID/lineage/``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from psycopg.sql import SQL, Identifier
from starlette.responses import Response

from scout_control.errors import ControlError, ForbiddenError
from scout_control.serve import errors
from scout_control.serve.page import lineage
from scout_control.serve.page.answers import ask
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visit, Visitor
from scout_control.serve.pools import Slowly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_control.access.access import Access
    from scout_control.api.views import Dataset

router = APIRouter(include_in_schema=False)
Key = Annotated[str, Path(max_length=500)]
PREVIEW_ROWS = 20


@router.get("/datasets/{dataset}/tables/")
async def show(
    request: Request,
    visit: Visitor,
    slow: Slowly,
    dataset: Key,
    table: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Show the tables of a dataset; with `table`, its columns and some of its rows."""

    def render() -> Response:
        found = visit.access.datasets.show(dataset)
        if table is not None:
            return _table(request, visit, found, table)
        groups = lineage.kinds(lineage.of(_tables(visit.access, found), found.row_counts))
        return page(
            request,
            "tables.html",
            visit=visit,
            data=found.as_dict(),
            tab="tables",
            groups=groups,
        )

    return await slow.run(render)


def _table(request: Request, visit: Visit, dataset: Dataset, table: str) -> Response:
    sql = SQL("SELECT * FROM {}").format(Identifier(dataset.schema, table)).as_string(None)
    answer = ask(visit.access, dataset.id, sql, PREVIEW_ROWS)
    return page(
        request,
        "table.html",
        visit=visit,
        status=200 if answer.error is None else errors.status(answer.error),
        data=dataset.as_dict(),
        tab="tables",
        table=_described(visit.access, dataset, table),
        answer=answer,
    )


@router.get("/datasets/{dataset}/lineage/")
async def show_lineage(request: Request, visit: Visitor, slow: Slowly, dataset: Key) -> Response:
    """Show which table is made of which."""

    def render() -> Response:
        found = visit.access.datasets.show(dataset)
        made = lineage.of(_tables(visit.access, found), found.row_counts)
        return page(
            request,
            "lineage.html",
            visit=visit,
            data=found.as_dict(),
            tab="lineage",
            lineage=made,
        )

    return await slow.run(render)


def _tables(access: Access, dataset: Dataset) -> Sequence[Mapping[str, Any]]:
    """Return the tables with their columns; only their names and counts without a dictionary."""
    try:
        found: Sequence[Mapping[str, Any]] = access.models.describe(dataset.id)["tables"]
    except ForbiddenError:
        raise
    except ControlError:
        found = ()
    return found or [_undescribed(*each) for each in sorted(dataset.row_counts.items())]


def _described(access: Access, dataset: Dataset, table: str) -> Mapping[str, Any]:
    try:
        return access.models.show(dataset.id, table)
    except ForbiddenError:
        raise
    except ControlError:
        return _undescribed(table, None)


def _undescribed(table: str, rows: int | None) -> Mapping[str, Any]:
    return {
        "table": table,
        "kind": "table",
        "rows": rows,
        "description": None,
        "updated_at": None,
        "columns": (),
    }
