"""Tools about the data dictionary: tables, their columns, and a search among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scout_control.errors import ConflictError, NotFoundError
from scout_control.mcp import results
from scout_control.mcp.bounds import cut_text, short
from scout_control.mcp.envelope import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scout_control.access.access import Access
    from scout_control.mcp import arguments

SEARCHED_DATASETS = 20
"""In one call: each is read with a login to its own schema."""
MAX_COMMENT = 2_000


def list_tables(access: Access, given: arguments.OfTables) -> Answer:
    """Return the tables of a dataset."""
    found = access.models.describe(given.dataset)
    tables: Sequence[Mapping[str, Any]] = found["tables"]
    page = tables[given.offset : given.offset + given.limit]
    listed = results.Tables(
        dataset=found["dataset"],
        alias=found["alias"],
        tables=[_table(each) for each in page],
        total=len(tables),
        truncated=given.offset + len(page) < len(tables),
    )
    return Answer(listed, found["schema"])


def describe_table(access: Access, given: arguments.OfTable) -> Answer:
    """Return a table with its columns."""
    found = access.models.describe(given.dataset, table=given.table)
    table = found["tables"][0]
    columns: Sequence[Mapping[str, Any]] = table["columns"]
    page = columns[given.offset : given.offset + given.limit]
    described = results.TableDescription(
        dataset=found["dataset"],
        table=table["table"],
        kind=table["kind"],
        rows=table["rows"],
        updated_at=table["updated_at"],
        description=table["description"] and cut_text(table["description"], MAX_COMMENT),
        columns=[_column(each) for each in page],
        total=len(columns),
        truncated=given.offset + len(page) < len(columns),
    )
    return Answer(described, found["schema"])


def search_columns(access: Access, given: arguments.OfSearch) -> Answer:
    """Return the columns whose name, table or description holds all words of a text."""
    words = given.text.casefold().split()
    names, following = _datasets(access, given)
    found: list[results.FoundColumn] = []
    searched, not_searched = [], []
    for name in names:
        try:
            described = access.models.describe(name)
        except (NotFoundError, ConflictError):
            if given.dataset is not None:
                raise
            not_searched.append(name)
            continue
        searched.append(described["dataset"])
        found += _matching(described, words)
    columns = results.FoundColumns(
        columns=found[: given.limit],
        searched=searched,
        not_searched=not_searched,
        next=following,
        truncated=len(found) > given.limit,
    )
    return Answer(columns)


def _datasets(access: Access, given: arguments.OfSearch) -> tuple[list[str], str | None]:
    if given.dataset is not None:
        return [given.dataset], None
    page = access.datasets.list(
        after=given.after, limit=SEARCHED_DATASETS, operation="models.describe"
    )
    return [each.path for each in page.items], page.next


def _matching(described: Mapping[str, Any], words: Sequence[str]) -> Iterator[results.FoundColumn]:
    for table in described["tables"]:
        for column in table["columns"]:
            description = column["description"] or ""
            text = f"{table['table']} {column['name']} {description}".casefold()
            if all(word in text for word in words):
                yield results.FoundColumn(
                    dataset=described["dataset"],
                    table=table["table"],
                    column=column["name"],
                    type=column["type"],
                    description=short(description) or None,
                )


def _column(column: Mapping[str, Any]) -> results.Column:
    return results.Column(**{**column, "description": short(column["description"])})


def _table(table: Mapping[str, Any]) -> results.Table:
    return results.Table(
        table=table["table"],
        kind=table["kind"],
        rows=table["rows"],
        columns=len(table["columns"]),
        updated_at=table["updated_at"],
        description=short(table["description"]),
    )
