"""``/datasets/ID/``: tables, rows, queries and runs of a dataset; ``/runs/ID/``: one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from psycopg.sql import SQL, Identifier
from starlette.responses import Response

from scout_control.errors import ControlError, ForbiddenError
from scout_control.serve import errors
from scout_control.serve.page import charts, overview, run_log
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visit, Visitor
from scout_control.serve.pools import Slowly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_control.access.access import Access
    from scout_control.datasets.query import QueryResult

router = APIRouter(include_in_schema=False)
Key = Annotated[str, Path(max_length=500)]
PREVIEW_ROWS, MOST_ROWS, MOST_BYTES, MOST_RUNS = 20, 200, 1 << 20, 40
LONGEST_SQL = 100_000


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a query returned, or why it did not."""

    result: QueryResult | None = None
    error: ControlError | None = None


@router.get("/datasets/{dataset}/")
async def show(
    request: Request,
    visit: Visitor,
    slow: Slowly,
    dataset: Key,
    table: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Show a dataset; with `table`, some rows of it, too."""

    def render() -> Response:
        found = visit.access.datasets.show(dataset)
        answer = None
        if table is not None:
            sql = SQL("SELECT * FROM {}").format(Identifier(found.schema, table)).as_string(None)
            answer = _ask(visit.access, found.id, sql, PREVIEW_ROWS)
        return _page(request, visit, found.id, answer=answer, table=table)

    return await slow.run(render)


@router.post("/datasets/{dataset}/query/")
async def query(request: Request, visit: Visitor, slow: Slowly, dataset: Key) -> Response:
    """Run one SQL statement, read-only, as the reader of the dataset."""
    sql = visit.form.get("sql", "")[:LONGEST_SQL]

    def render() -> Response:
        answer = _ask(visit.access, dataset, sql, MOST_ROWS)
        return _page(request, visit, dataset, answer=answer, sql=sql)

    return await slow.run(render)


@router.get("/runs/{run}/")
def show_run(request: Request, visit: Visitor, run: Key) -> Response:
    """Show a run: how it ended, and its log."""
    found = visit.access.runs.show(run)
    lines = visit.access.runs.logs(run)
    first = run_log.first_failing(lines) if found.error_message or found.transform_error else None
    shown = run_log.shortened(lines, first)
    return page(
        request, "run.html", visit=visit, run=found, lines=shown, first=first, total=len(lines)
    )


def _ask(access: Access, dataset: str, sql: str, rows: int) -> Answer:
    try:
        found = access.datasets.query(dataset, sql, max_rows=rows, max_bytes=MOST_BYTES)
    except ForbiddenError:
        raise
    except ControlError as error:
        return Answer(error=error)
    return Answer(result=found)


def _page(
    request: Request,
    visit: Visit,
    dataset: str,
    *,
    answer: Answer | None = None,
    table: str | None = None,
    sql: str = "",
) -> Response:
    access = visit.access
    [row] = access.status(dataset=dataset).synced_data
    may_read = access.may("datasets.query", project=row["project"], user=row["user"])
    runs = access.runs.list(dataset=row["id"], limit=MOST_RUNS).items
    error = answer.error if answer else None
    return page(
        request,
        "dataset.html",
        visit=visit,
        status=200 if error is None else errors.status(error),
        seen=overview.of_dataset(access, row),
        tables=_tables(access, row) if may_read else None,
        answer=answer,
        table=table,
        sql=sql,
        runs=runs,
        charts=charts.of_runs(runs),
    )


def _tables(access: Access, row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the tables with their columns; only their names and counts without a dictionary."""
    try:
        found: Sequence[Mapping[str, Any]] = access.models.describe(row["id"])["tables"]
    except ForbiddenError:
        raise
    except ControlError:
        found = ()
    return found or [
        {"table": name, "rows": count, "description": None, "columns": ()}
        for name, count in sorted(row["row_counts"].items())
    ]
