"""What is in datasets: their dictionary, rows, and queries. Read as the reader, within limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from psycopg.sql import SQL, Identifier
from pydantic import BaseModel, Field

from scout_control.access.pages import cut
from scout_control.api.queries import Query as QueryView
from scout_control.datasets import query
from scout_control.rules.json_values import to_json_value
from scout_control.serve.documents import (
    DEFAULT_LIMIT,
    TEXT,
    After,
    Body,
    Key,
    Limit,
    Name,
    OfDataset,
    PageOf,
    page_of,
)
from scout_control.serve.operations import offered
from scout_control.serve.pools import Slowly
from scout_control.serve.sign_in import SignedIn

if TYPE_CHECKING:
    from scout_control.access.access import Access

router = APIRouter(prefix="/api/datasources", tags=["data"])
MOST_BYTES = 8 << 20
"""Of a result: many are held in memory at the same time."""
LONGEST_SQL = 100_000


class Statement(Body):
    """A query: one statement, which only reads."""

    dataset: Annotated[str, Field(min_length=1, max_length=TEXT * 4)] = Field(
        description="By id, schema, alias, or PROJECT/SOURCE."
    )
    sql: Annotated[str, Field(min_length=1, max_length=LONGEST_SQL)] = Field(
        examples=["SELECT count(*) FROM cases"]
    )
    limit: int = Field(default=query.MAX_ROWS, ge=1, le=query.MAX_ROWS, description="Rows at most.")
    max_bytes: int = Field(
        default=MOST_BYTES, ge=1, le=MOST_BYTES, description="Of the result as text."
    )
    timeout_seconds: float = Field(default=query.TIMEOUT_SECONDS, gt=0, le=query.TIMEOUT_SECONDS)


class Rows(BaseModel):
    """Columns and rows."""

    columns: list[str]
    types: list[str] = Field(description="As Postgres writes them: numeric(10,2).")
    rows: list[list[Any]]
    truncated: bool
    truncated_by: str | None = Field(description="The limit that cut the result: rows or bytes.")
    timing_ms: int


class Dictionary(BaseModel):
    """The data dictionary of a dataset."""

    dataset: str
    schema_: str = Field(alias="schema", serialization_alias="schema")
    alias: str | None
    tables: list[dict[str, Any]] = Field(description="With their columns: label, type, counts.")


class SearchPath(BaseModel):
    """Where the tables of a project are found."""

    search_path: str


def _ask(access: Access, body: Statement) -> Rows:
    began_at = time.perf_counter()
    found = access.datasets.query(
        body.dataset,
        body.sql,
        max_rows=body.limit,
        max_bytes=body.max_bytes,
        timeout_seconds=body.timeout_seconds,
    )
    return Rows(
        columns=found.columns,
        types=found.types,
        rows=[[to_json_value(value) for value in row] for row in found.rows],
        truncated=found.is_truncated,
        truncated_by=found.truncated_by,
        timing_ms=round((time.perf_counter() - began_at) * 1000),
    )


@router.post("/query/", **offered("datasets.query", changes=True))
async def execute_query(access: SignedIn, body: Statement, slow: Slowly) -> Rows:
    """Run one SQL statement, read-only, as the reader of a dataset; this marks it as used."""
    return await slow.run(lambda: _ask(access, body))


@router.get("/datasets/{dataset}/rows/", **offered("datasets.query", name="datasets.rows"))
async def preview_rows(
    access: SignedIn,
    dataset: Key,
    slow: Slowly,
    table: Annotated[str, Query(min_length=1, max_length=TEXT, description="Its name.")],
    limit: Annotated[int, Query(ge=1, le=query.MAX_ROWS, description="Rows at most.")] = 20,
) -> Rows:
    """Show some rows of a table, in no order; this marks the dataset as used."""

    def preview() -> Rows:
        found = access.datasets.show(dataset)
        sql = SQL("SELECT * FROM {}").format(Identifier(found.schema, table)).as_string(None)
        return _ask(access, Statement(dataset=found.id, sql=sql, limit=limit))

    return await slow.run(preview)


@router.get("/datasets/{dataset}/schema/", **offered("models.describe"))
async def describe_dataset(
    access: SignedIn,
    dataset: Key,
    slow: Slowly,
    table: Annotated[str | None, Query(max_length=TEXT, description="Only this table.")] = None,
) -> Dictionary:
    """Show the data dictionary: tables, and their columns with labels, types and counts."""
    found = await slow.run(lambda: access.models.describe(dataset, table=table))
    return Dictionary(**found)


@router.get("/datasets/{dataset}/tables/", **offered("models.list"))
async def list_tables(
    access: SignedIn,
    dataset: Key,
    slow: Slowly,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
) -> PageOf[dict[str, Any]]:
    """List the tables of a dataset, with the number of their columns."""
    found = await slow.run(lambda: access.models.list(dataset))
    return page_of(cut(found, lambda each: str(each["table"]), after, limit))


@router.get("/datasets/{dataset}/tables/{table}/", **offered("models.show"))
async def show_table(access: SignedIn, dataset: Key, table: Key, slow: Slowly) -> dict[str, Any]:
    """Show a table with its columns."""
    return await slow.run(lambda: access.models.show(dataset, table))


@router.get("/datasets/{dataset}/streams/", **offered("datasets.describe"))
def describe_streams(access: SignedIn, dataset: Key) -> dict[str, Any]:
    """Show the discovered streams of the source; kept even after the data expires."""
    return access.datasets.describe(dataset)


@router.get("/search-path/", **offered("datasets.search_path"))
def search_path(access: SignedIn, project: Annotated[Name, Query()]) -> SearchPath:
    """Show the search_path with which you read the tables of a project."""
    return SearchPath(search_path=access.datasets.search_path(project))


@router.get("/queries/", **offered("queries.list"))
def list_queries(
    access: SignedIn,
    person: Annotated[
        str | None, Query(max_length=TEXT, description="Only by them; me: by you.")
    ] = None,
    dataset: OfDataset = None,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
) -> PageOf[QueryView]:
    """List your queries, and as far as you may see them those of others; the newest first."""
    whose = access.identity.known_as(person)
    found = access.queries.list(person=whose, dataset=dataset, after=after, limit=limit)
    return page_of(found)
