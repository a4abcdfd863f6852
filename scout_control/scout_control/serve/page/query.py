"""``/datasets/ID/query/``: SQL on a dataset, and the history of its queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Request
from psycopg.sql import SQL, Identifier
from starlette.responses import Response

from scout_control.serve import errors
from scout_control.serve.page.answers import Answer, ask
from scout_control.serve.page.rendering import page
from scout_control.serve.page.visits import Visit, Visitor
from scout_control.serve.pools import Slowly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scout_control.api.queries import Query as PastQuery
    from scout_control.api.views import Dataset

router = APIRouter(include_in_schema=False)
Key = Annotated[str, Path(max_length=500)]
MOST_ROWS, MOST_QUERIES, LONGEST_SQL = 200, 30, 100_000


@router.get("/datasets/{dataset}/query/")
def show(
    request: Request,
    visit: Visitor,
    dataset: Key,
    again: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Show the form and the history; with `again`, the text of an earlier query."""
    found = visit.access.datasets.show(dataset)
    history = _history(visit, found)
    text = next((each.sql for each in history if each.id == again), None)
    return _page(request, visit, found, history, sql=text or "")


@router.post("/datasets/{dataset}/query/")
async def query(request: Request, visit: Visitor, slow: Slowly, dataset: Key) -> Response:
    """Run one SQL statement, read-only, as the reader of the dataset."""
    sql = visit.form.get("sql", "")[:LONGEST_SQL]

    def render() -> Response:
        answer = ask(visit.access, dataset, sql, MOST_ROWS)
        found = visit.access.datasets.show(dataset)
        return _page(request, visit, found, _history(visit, found), answer=answer, sql=sql)

    return await slow.run(render)


def _history(visit: Visit, dataset: Dataset) -> Sequence[PastQuery]:
    return visit.access.queries.list(dataset=dataset.id, limit=MOST_QUERIES).items


def _page(
    request: Request,
    visit: Visit,
    dataset: Dataset,
    history: Sequence[PastQuery],
    *,
    answer: Answer | None = None,
    sql: str,
) -> Response:
    error = answer.error if answer else None
    return page(
        request,
        "query.html",
        visit=visit,
        status=200 if error is None else errors.status(error),
        data=dataset.as_dict(),
        tab="query",
        may_query=visit.may("datasets.query", dataset.as_dict()),
        answer=answer,
        sql=sql,
        suggestion=_suggestion(dataset),
        history=history,
        is_text_kept=any(each.sql is not None for each in history),
    )


def _suggestion(dataset: Dataset) -> str:
    """Return a query that works, to begin with."""
    largest = max(dataset.row_counts, key=lambda name: dataset.row_counts[name] or 0, default=None)
    if largest is None:
        return ""
    return SQL("SELECT * FROM {} LIMIT 10").format(Identifier(largest)).as_string(None)
