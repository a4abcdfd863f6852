"""Tools about the data dictionary: tables, their columns, and a search among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scout_control.errors import ConflictError, NotFoundError
from scout_control.mcp import results
from scout_control.mcp.bounds import cut_text, fitting, short
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
    return Answer(tables_of(found, given), found["schema"])


def tables_of(found: Mapping[str, Any], given: arguments.OfTables) -> results.Tables:
    """Return a part of the tables of a data dictionary; what is to be queried comes first."""
    tables: Sequence[Mapping[str, Any]] = sorted(found["tables"], key=_order)
    requested = tables[given.offset : given.offset + given.limit]
    page = fitting([_table(each) for each in requested])
    return results.Tables(
        dataset=found["dataset"],
        alias=found["alias"],
        tables=page,
        total=len(tables),
        truncated=given.offset + len(page) < len(tables),
    )


def describe_table(access: Access, given: arguments.OfTable) -> Answer:
    """Return a table with its columns."""
    found = access.models.describe(given.dataset, table=given.table)
    return Answer(columns_of(found, given), found["schema"])


def columns_of(found: Mapping[str, Any], given: arguments.OfTable) -> results.TableDescription:
    """Return the only table of a data dictionary with a part of its columns."""
    table = found["tables"][0]
    columns: Sequence[Mapping[str, Any]] = table["columns"]
    requested = columns[given.offset : given.offset + given.limit]
    page = fitting([_column(each) for each in requested])
    return results.TableDescription(
        dataset=found["dataset"],
        table=table["table"],
        kind=table["kind"],
        rows=table["rows"],
        updated_at=table["updated_at"],
        description=table["description"] and cut_text(table["description"], MAX_COMMENT),
        columns=page,
        total=len(columns),
        truncated=given.offset + len(page) < len(columns),
    )


def search_columns(access: Access, given: arguments.OfSearch) -> Answer:
    """Return the columns whose name, table or description holds all words of a text."""
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
        found += matching(described, given.text)
    kept = fitting(found[: given.limit])
    columns = results.FoundColumns(
        columns=kept,
        searched=searched,
        not_searched=not_searched,
        next=following,
        truncated=len(found) > len(kept),
    )
    return Answer(columns)


def _datasets(access: Access, given: arguments.OfSearch) -> tuple[list[str], str | None]:
    if given.dataset is not None:
        return [given.dataset], None
    page = access.datasets.list(
        after=given.after, limit=SEARCHED_DATASETS, operation="models.describe"
    )
    return [each.path for each in page.items], page.next


def matching(described: Mapping[str, Any], text: str) -> Iterator[results.FoundColumn]:
    """Yield the columns of which table, name and description together have all words of a text."""
    words = text.casefold().split()
    for table in described["tables"]:
        for column in table["columns"]:
            description = column["description"] or ""
            about = f"{table['table']} {column['name']} {description}".casefold()
            if all(word in about for word in words):
                yield results.FoundColumn(
                    dataset=described["dataset"],
                    table=table["table"],
                    column=column["name"],
                    type=column["type"],
                    description=short(description) or None,
                )


def _column(column: Mapping[str, Any]) -> results.Column:
    return results.Column(**{**column, "description": short(column["description"])})


def _order(table: Mapping[str, Any]) -> tuple[int, str]:
    """Return where a table stands in a list: what is to be queried comes first."""
    kinds = ("model", "table", "view")
    kind = kinds.index(table["kind"]) if table["kind"] in kinds else len(kinds)
    return kind, table["table"]


def _table(table: Mapping[str, Any]) -> results.Table:
    return results.Table(
        table=table["table"],
        kind=table["kind"],
        rows=table["rows"],
        columns=len(table["columns"]),
        updated_at=table["updated_at"],
        description=short(table["description"]),
    )
